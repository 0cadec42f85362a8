import type { OpenAiRequest } from './openai-request.ts'

/**
 * The fields that a worker of text can follow. Undefined where the client left one open, and
 * where its value is not of the field's type.
 */
type Fields = OpenAiRequest['fields']

export const temperatureIn = ({ temperature }: Fields): number | undefined =>
  typeof temperature === 'number' && Number.isFinite(temperature) ? temperature : undefined

export function tokensLimitIn({ max_completion_tokens, max_tokens }: Fields): number | undefined {
  return [max_completion_tokens, max_tokens].find(
    (limit): limit is number => typeof limit === 'number' && (limit | 0) === limit,
  )
}

export function stopWordsIn({ stop }: Fields): readonly string[] | undefined {
  const words: readonly unknown[] = Array.isArray(stop) ? stop : [stop]
  return words.every((word) => typeof word === 'string') ? words : undefined
}
