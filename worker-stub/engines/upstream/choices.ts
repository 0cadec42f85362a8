import { isObject } from './error-text.ts'

/** The choices of a chunk or of a whole answer; undefined where it is of another endpoint or form. */
export function choicesOf(json: unknown): readonly unknown[] | undefined {
  if (!isObject(json)) return undefined
  return Array.isArray(json.choices) ? json.choices : undefined
}

/** Why a choice ended; undefined while more of it may come. SGLang's own API has an object there. */
export function finishReasonOf(choice: unknown): string | undefined {
  if (!isObject(choice)) return undefined
  const reason = isObject(choice.finish_reason) ? choice.finish_reason.type : choice.finish_reason
  return typeof reason === 'string' && reason !== '' ? reason : undefined
}

/** Half an answer: the server gave up, whatever it has sent until then. */
export const isBroken = (reason: string): boolean =>
  /abort|cancel|error|fail|insufficient|interrupt|overload|time_?out|unavailable/i.test(reason)

/** Knows when an answer is complete, as far as its choices say so. */
export class OpenChoices {
  readonly #expected: number
  readonly #ended = new Set<unknown>()

  constructor(expected: number) {
    this.#expected = expected
  }

  add(json: unknown): void {
    for (const choice of choicesOf(json) ?? []) {
      if (finishReasonOf(choice) !== undefined) {
        this.#ended.add(isObject(choice) ? (choice.index ?? 0) : 0)
      }
    }
  }

  get areEnded(): boolean {
    return this.#ended.size >= this.#expected
  }
}

/** An answer as a whole, which cannot be half: no choice of it is a piece. */
export function isWhole(json: unknown, isFramed: boolean): boolean {
  const choices = choicesOf(json) ?? []
  if (choices.some((choice) => isObject(choice) && isObject(choice.delta))) return false
  return !isFramed || choices.some((choice) => isObject(choice) && isObject(choice.message))
}
