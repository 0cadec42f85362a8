import { randomUUID } from 'node:crypto'
import { generate } from '../../support/http-client.ts'

export interface Asked {
  readonly id: string
  readonly content: string
  /** `200`; `200 wrong` with what is not its echo; status and code of a problem; `hung`. */
  readonly outcome: string
  readonly detail: unknown
}

/** Longer than any TIMEOUT set here: whatever is not answered by then never will be. */
const HANGS_AFTER_MS = 60_000

/** Asks for all of these, so many at a time, and calls back as each is answered. */
export async function askAll(
  url: string,
  contents: readonly string[],
  concurrency: number,
  onAnswer: (asked: Asked) => void = () => {},
): Promise<Asked[]> {
  const answered: Asked[] = []
  let next = 0
  const work = async (): Promise<void> => {
    for (let content = contents[next++]; content !== undefined; content = contents[next++]) {
      const asked = await ask(url, content)
      answered.push(asked)
      onAnswer(asked)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  return answered
}

/** Whatever comes, an error of the connection too, is an outcome. */
export async function ask(url: string, content: string, id: string = randomUUID()): Promise<Asked> {
  const signal = AbortSignal.timeout(HANGS_AFTER_MS)
  const reply = await generate(url, id, content, { signal }).catch((error: unknown) =>
    signal.aborted ? 'hung' : String(error),
  )
  if (typeof reply === 'string') return { id, content, outcome: reply, detail: undefined }
  const { status, body } = reply
  const right = JSON.stringify(body) === JSON.stringify({ content: `echo: ${content}` })
  const outcome = status === 200 ? (right ? '200' : '200 wrong') : `${status} ${String(body.code)}`
  return { id, content, outcome, detail: body.detail }
}

/** How many of each outcome. */
export function tally(asked: readonly Asked[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { outcome } of asked) counts[outcome] = (counts[outcome] ?? 0) + 1
  return counts
}

/** The worker's own message and no more: what each `fail:` was told to say, after the type. */
export const saidOtherwise = (asked: readonly Asked[], type: string): readonly Asked[] =>
  asked
    .filter(({ outcome }) => outcome.startsWith('502'))
    .filter(({ content, detail }) => detail !== content.replace('fail:', `${type}:`))

/** No two the same, so that an answer to another request is a wrong one. */
export const unique = (total: number, text = 'payload of'): string[] =>
  Array.from({ length: total }, () => `${text} ${randomUUID()}`)

/** What a careless encoder loses on its way through four programs. */
export const ODD_TEXTS: readonly string[] = [
  'Привет, мир: «ёлки», ИИ и №5',
  'family 👩‍👩‍👧‍👦 flag 🇷🇺 astral 𝕏 skin 👍🏽',
  `"double" 'single' \`back\` \\slash\\ /slash/ </script>`,
  'line\nfeed\r\ncarriage\ttab',
  `controls ${String.fromCharCode(...Array.from({ length: 31 }, (_, at) => at + 1))} \u007f \u0085`,
  'separators \u2028 \u2029 no-break\u00a0zero\u200bwidth \ufeff \ufffd \uffff',
  'שלום مرحبا 你好 ไทย é (combined) é (composed)',
  '{"content": "not the answer", "error": null}',
  ' blank at both ends ',
]

/** One megabyte of UTF-8, of two bytes each, which JSON in Python writes as six. */
export const MEGABYTE = 'ж'.repeat(2 ** 19)
