import { elementsOf, sourceAt, withMembers, withSourceAt } from '../../json-source.ts'
import { choicesIn } from './engine-json.ts'
import { isObject } from './json-fields.ts'
import type { Fields } from './json-fields.ts'

/** What one choice of a chunk says. */
export interface ChoicePiece {
  readonly index: number
  readonly content: string
  readonly hasRole: boolean
  readonly hasToolCalls: boolean
  /** Anything beside role and content, such as a piece of a tool call. */
  readonly hasMore: boolean
  readonly isFinish: boolean
  /** The whole delta; of the older completions, their text as its content. */
  readonly delta: Readonly<Record<string, unknown>>
  readonly logprobs: unknown
}

/** A chunk of an engine's stream, and what the gateway must know of it. */
export interface Chunk {
  readonly source: string
  readonly choices: readonly ChoicePiece[]
  /** It has no choices, but the usage of the whole stream. */
  readonly isUsage: boolean
}

export type ChunkKind = 'chat' | 'completions'

/** The chunks of a delta. Undefined where its worker wrote none that can be read. */
export function chunksOf(chunks: string | undefined, kind: ChunkKind): Chunk[] | undefined {
  if (chunks === undefined) return undefined
  try {
    const parsed: unknown = JSON.parse(chunks)
    if (!Array.isArray(parsed)) return undefined
    const sources = elementsOf(chunks)
    return parsed.flatMap((chunk: unknown, at): Chunk[] =>
      isObject(chunk) ? [chunkOf(chunk, sources[at] as string, kind)] : [],
    )
  } catch {
    return undefined
  }
}

function chunkOf(chunk: Fields, source: string, kind: ChunkKind): Chunk {
  const choices: readonly unknown[] = Array.isArray(chunk.choices) ? chunk.choices : []
  return {
    source,
    choices: choices.map((choice, at) => pieceOf(isObject(choice) ? choice : {}, at, kind)),
    isUsage: choices.length === 0 && isObject(chunk.usage),
  }
}

function pieceOf(choice: Fields, at: number, kind: ChunkKind): ChoicePiece {
  const { index, finish_reason: finish, text, logprobs } = choice
  const given = kind === 'chat' ? choice.delta : { content: text }
  const delta = isObject(given) ? given : {}
  const { role, content, ...more } = delta
  return {
    index: typeof index === 'number' ? index : at,
    content: typeof content === 'string' ? content : '',
    hasRole: typeof role === 'string' && role !== '',
    hasToolCalls: says(more.tool_calls),
    hasMore: Object.values(more).some(says) || (says(content) && typeof content !== 'string'),
    isFinish: typeof finish === 'string',
    delta,
    logprobs,
  }
}

const says = (value: unknown): boolean =>
  value !== undefined &&
  value !== null &&
  value !== '' &&
  !(typeof value === 'object' && Object.keys(value).length === 0)

/** The chunk without the role of its first choice, which the client has, and with another content if one is given. */
export function withoutRole({ source }: Chunk, kind: ChunkKind, content?: string): string {
  const text = content === undefined ? undefined : JSON.stringify(content)
  if (kind === 'completions') {
    return text === undefined ? source : withSourceAt(source, ['choices', 0, 'text'], text)
  }
  const path = ['choices', 0, 'delta']
  const delta = sourceAt(source, path)
  if (!delta?.startsWith('{')) return source
  const changes = { role: undefined, ...(text !== undefined && { content: text }) }
  return withSourceAt(source, path, withMembers(delta, changes))
}

/** A chunk of one choice, made here. */
export function chunkWith(
  kind: ChunkKind,
  index: number,
  {
    delta = {},
    finish = null,
  }: { delta?: { role?: string; content?: string }; finish?: string | null },
): string {
  const { content = '' } = delta
  const said = kind === 'chat' ? { delta } : { text: content }
  return JSON.stringify({ choices: [{ index, ...said, logprobs: null, finish_reason: finish }] })
}

/**
 * The choices of a whole answer as chunks, for a worker that streamed none. `left` is what of
 * the first choice's content has not been said.
 */
export function chunksOfAnswer(body: string, kind: ChunkKind, left: string | undefined): string[] {
  return wholeChoicesIn(body).map(({ source, index }, at) =>
    chunkOfChoice(source, index, kind, at === 0 ? left : undefined),
  )
}

/** The choices of a whole answer. A choice that is no object is of no engine, and can be no chunk. */
export function wholeChoicesIn(body: string): { source: string; index: number }[] {
  const choices = choicesIn(body).filter((choice) => choice.startsWith('{'))
  return choices.map((source, at) => {
    const index = Number(sourceAt(source, ['index']) ?? at)
    return { source, index: Number.isNaN(index) ? at : index }
  })
}

/** The choice has a message, or the text of the older completions. */
export const saysSomething = (choice: string, kind: ChunkKind): boolean =>
  sourceAt(choice, [kind === 'chat' ? 'message' : 'text']) !== undefined

export const saysFirst = (body: string, kind: ChunkKind): boolean =>
  wholeChoicesIn(body).some(({ source, index }) => index === 0 && saysSomething(source, kind))

/** A whole choice as one chunk. `left` is what of its content has not been said; undefined for all. */
export function chunkOfChoice(
  choice: string,
  index: number,
  kind: ChunkKind,
  left?: string,
): string {
  const rest = left === undefined ? undefined : JSON.stringify(left)
  const open = { message: undefined, index: String(index) }
  const finish = { finish_reason: 'null' }
  if (kind === 'completions') {
    const text = rest === undefined ? {} : { text: rest }
    return `{"choices":[${withMembers(choice, { ...open, ...text, ...finish })}]}`
  }
  const message = sourceAt(choice, ['message'])
  const delta = deltaOf(message?.startsWith('{') ? message : '{}', rest)
  return `{"choices":[${withMembers(choice, { ...open, delta, ...finish })}]}`
}

/** In a stream, each tool call has its place among the others. */
function deltaOf(message: string, content: string | undefined): string {
  const calls = sourceAt(message, ['tool_calls'])
  const numbered = calls?.startsWith('[')
    ? elementsOf(calls)
        .filter((call) => call.startsWith('{'))
        .map((call, index) => withMembers(call, { index: String(index) }))
    : []
  return withMembers(message, {
    // The client has the role from the text that it was told before.
    ...(content !== undefined && { content, role: undefined }),
    tool_calls: numbered.length > 0 ? `[${numbered.join(',')}]` : undefined,
  })
}
