import { paced } from './pace.ts'
import { isStream, wantsUsage } from './request-fields.ts'
import type { Outcome } from '../../../src/job.ts'
import type { OnDelta } from '../../engine.ts'
import type { Pace } from './pace.ts'
import type { Fields } from './request-fields.ts'

/** A piece of a choice, and what it is of the choice's text. */
export interface Piece {
  readonly text: string
  /** As a chunk of a stream has it: `delta`, or `text` for the older completions. */
  readonly fields: Fields
}

/** One of the answers to a request. */
export interface EchoChoice {
  readonly index: number
  /** Before the first token: the role. */
  readonly opening?: Fields
  /** Its tokens. */
  readonly pieces: readonly Piece[]
  /** Behind the last token, beside the finish reason. */
  readonly closing: Fields
  /** As an answer that is not streamed has it: `message`, or `text`. */
  readonly whole: Fields
  readonly finishReason: string
}

/** All that an endpoint answers, before it is known whether it is streamed. */
export interface EchoAnswer {
  readonly id: string
  readonly model: string
  /** What an answer is called, whole and as a chunk. */
  readonly object: { readonly whole: string; readonly chunk: string }
  readonly choices: readonly EchoChoice[]
  readonly promptTokens: number
  /** Of all choices; 0 without reasoning. */
  readonly reasoningTokens: number
}

export interface SendOptions extends Pace {
  readonly onDelta: OnDelta
  /** How the job ends where its setting makes it fail. */
  readonly failure: Outcome | undefined
}

/** Generates the answer, as a stream where the client asks for one. */
export async function send(
  answer: EchoAnswer,
  fields: Fields,
  options: SendOptions,
): Promise<Outcome> {
  const { choices, model, promptTokens } = answer
  const [first] = choices
  const completionTokens = choices.reduce((sum, { pieces }) => sum + pieces.length, 0)
  const outcome = {
    kind: 'succeeded',
    content: (first?.pieces ?? []).map(({ text }) => text).join(''),
    finishReason: first?.finishReason ?? 'stop',
    model,
    usage: { promptTokens, completionTokens },
  } as const
  const usage = usageOf(answer, completionTokens)
  if (isStream(fields)) {
    await stream(answer, wantsUsage(fields) ? usage : undefined, options)
    return (
      options.failure ?? { ...outcome, ...(hasMore(answer) && { body: wholeOf(answer, usage) }) }
    )
  }
  await paced(stepsOf(answer), options, () => {})
  return options.failure ?? { ...outcome, body: wholeOf(answer, usage) }
}

/** All choices at once, token by token. The stream of a job that fails has no end. */
async function stream(
  answer: EchoAnswer,
  usage: Fields | undefined,
  { failure, onDelta, ...pace }: SendOptions,
): Promise<void> {
  const { choices } = answer
  const envelope = envelopeOf(answer, 'chunk')
  const chunk = (index: number, fields: Fields, finishReason: string | null = null): string => {
    const choice = { index, ...fields, logprobs: null, finish_reason: finishReason }
    return JSON.stringify({ ...envelope, choices: [choice] })
  }
  for (const { index, opening } of choices) if (opening) onDelta('', chunk(index, opening))
  await paced(stepsOf(answer), pace, (step) => {
    for (const { index, pieces } of choices) {
      const piece = pieces[step]
      if (piece) onDelta(index === 0 ? piece.text : '', chunk(index, piece.fields))
    }
  })
  if (failure !== undefined) return
  for (const { index, closing, finishReason } of choices) {
    onDelta('', chunk(index, closing, finishReason))
  }
  if (usage) onDelta('', JSON.stringify({ ...envelope, choices: [], usage }))
}

/** The text of the first choice is not all: what a client lacks of the rest must be in the result. */
const hasMore = ({ choices }: EchoAnswer): boolean =>
  choices.length > 1 || choices.some(({ pieces }) => pieces.some(({ text }) => text === ''))

const stepsOf = ({ choices }: EchoAnswer): number =>
  choices.reduce((most, { pieces }) => Math.max(most, pieces.length), 0)

const envelopeOf = ({ id, model, object }: EchoAnswer, form: 'whole' | 'chunk') => ({
  id,
  object: object[form],
  created: Math.floor(Date.now() / 1000),
  model,
})

function wholeOf(answer: EchoAnswer, usage: Fields): string {
  const choices = answer.choices.map(({ index, whole, finishReason }) => {
    return { index, ...whole, logprobs: null, finish_reason: finishReason }
  })
  return JSON.stringify({ ...envelopeOf(answer, 'whole'), choices, usage })
}

function usageOf({ promptTokens, reasoningTokens }: EchoAnswer, completionTokens: number): Fields {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    ...(reasoningTokens > 0 && {
      completion_tokens_details: { reasoning_tokens: reasoningTokens },
    }),
  }
}
