import type { AppOptions } from '../app-options.ts'
import type { HttpEnv } from '../context.ts'
import type { Context } from 'hono'

/** What is named at most: a client chooses how many fields it sends, and how long their names are. */
const MAX_NAMES = 20
const MAX_NAME = 40

/** Fields of `meta` that no schema of ours has, for a worker that knows them. Undefined: there are none. */
export type MoreMeta = Readonly<Record<string, unknown>> | undefined

/**
 * Compares the body with what its schema made of it. Names in `x-ignored-parameters` the fields
 * that have no effect, because a client that believes in them is not told otherwise. Returns
 * those of `meta` instead, if the workers may take them.
 */
export function takeUnknown(
  c: Context<HttpEnv>,
  { raw, value }: { readonly raw: unknown; readonly value: object },
  { carriesMeta }: Pick<AppOptions, 'carriesMeta'>,
): MoreMeta {
  const names = new Set<string>()
  const more = new Map<string, unknown>()
  visit(raw, value, '', (path, key, field) => {
    // As a key of an object in JavaScript, it would be a trap for a worker.
    const isCarried = carriesMeta && path === 'meta.' && key !== '__proto__'
    if (isCarried) more.set(key, field)
    else if (names.size <= MAX_NAMES) names.add(path + encoded(key))
  })
  if (names.size > 0) setHeader(c, 'x-ignored-parameters', listOf(names))
  return more.size > 0 ? Object.fromEntries(more) : undefined
}

/** Calls back for each key of `raw` that is not in `known`. A schema keeps the order and the length of a list. */
function visit(
  raw: unknown,
  known: unknown,
  path: string,
  onUnknown: (path: string, key: string, field: unknown) => void,
): void {
  if (typeof raw !== 'object' || typeof known !== 'object' || raw === null || known === null) return
  if (Array.isArray(raw) && Array.isArray(known)) {
    for (const [index, item] of raw.entries()) {
      visit(item, known[index], path.replace(/\.$/, '[].'), onUnknown)
    }
    return
  }
  for (const [key, field] of Object.entries(raw)) {
    if (!Object.hasOwn(known, key)) onUnknown(path, key, field)
    else visit(field, (known as Record<string, unknown>)[key], `${path}${key}.`, onUnknown)
  }
}

/** Letters, digits, `_` and `-` stay, so that a name cannot break out of the header or look like a path. */
function encoded(key: string): string {
  if (key === '') return '""'
  const characters = Array.from(key)
  const text = characters.slice(0, MAX_NAME).map(encodedCharacter).join('')
  return characters.length > MAX_NAME ? `${text}...` : text
}

const encodedCharacter = (character: string): string =>
  /^[\w-]$/.test(character)
    ? character
    : [...Buffer.from(character)]
        .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
        .join('')

function listOf(names: ReadonlySet<string>): string {
  const shown = [...names].slice(0, MAX_NAMES)
  return [...shown, ...(names.size > MAX_NAMES ? ['...'] : [])].join(', ')
}

/** On whatever the answer will be, also a stream or an error. */
function setHeader(c: Context<HttpEnv>, name: string, value: string): void {
  const { outgoing } = c.env
  if (outgoing === undefined) c.env.headers = { ...c.env.headers, [name]: value }
  else outgoing.setHeader(name, value)
}
