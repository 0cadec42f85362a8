import { failOnDemand, invalid } from './invalid-request.ts'
import { wordsOf } from './pace.ts'
import { choiceCount, maxTokens, modelIn } from './request-fields.ts'
import type { EchoAnswer } from './echo-answer.ts'
import type { Fields } from './request-fields.ts'

/** OpenAI's own limit of prompts in one request. */
const MAX_PROMPTS = 2_048

/** Answers `/v1/completions`: each prompt with `n` choices. */
export function completionsAnswer(fields: Fields, jobId: string): EchoAnswer {
  const prompts = textsOf(fields.prompt)
  if (prompts === undefined || prompts.length > MAX_PROMPTS) {
    throw invalid('prompt', `must be a text, tokens, or a list of 1 to ${MAX_PROMPTS} of them`)
  }
  for (const prompt of prompts) failOnDemand(prompt)
  const count = choiceCount(fields)
  const most = maxTokens(fields)
  const choices = prompts.flatMap((prompt, at) => {
    const words = wordsOf(`echo: ${prompt}`)
    const said = words.slice(0, most)
    const finishReason = words.length > said.length ? 'length' : 'stop'
    const pieces = said.map((text) => ({ text, fields: { text } }))
    const whole = { text: said.join('') }
    return Array.from({ length: count }, (_, index) => {
      return { index: at * count + index, pieces, closing: { text: '' }, whole, finishReason }
    })
  })
  return {
    id: `cmpl-${jobId}`,
    model: modelIn(fields),
    object: { whole: 'text_completion', chunk: 'text_completion' },
    choices,
    promptTokens: prompts.reduce((sum, prompt) => sum + wordsOf(prompt).length, 0),
    reasoningTokens: 0,
  }
}

/** A text, texts, tokens, or lists of tokens, as texts; undefined where it is none of them, or empty. */
export function textsOf(given: unknown): readonly string[] | undefined {
  if (typeof given === 'string') return [given]
  if (isTokens(given)) return [given.join(' ')]
  if (!Array.isArray(given) || given.length === 0) return undefined
  const texts = given.map((one: unknown) => (isTokens(one) ? one.join(' ') : one))
  return texts.every((text) => typeof text === 'string') ? texts : undefined
}

const isTokens = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.length > 0 && value.every((token) => Number.isInteger(token))
