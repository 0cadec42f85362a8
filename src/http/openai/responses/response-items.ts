import { createHash } from 'node:crypto'
import { OpenAiError, invalidValue } from '../openai-errors.ts'
import { isObject } from '../json-fields.ts'
import type { Fields } from '../json-fields.ts'
import type { Item } from './response-types.ts'

export const unsupported = (param: string, message: string): OpenAiError =>
  new OpenAiError(400, message, { param, code: 'unsupported_parameter' })

/** The kinds of items that become chat messages. Items of other kinds are kept, and have no effect. */
export const KNOWN_ITEMS: ReadonlySet<string> = new Set([
  'message',
  'function_call',
  'function_call_output',
  'reasoning',
  'item_reference',
])

/**
 * The items of a request, in the form that the API gives them back: each has a type and an id,
 * and content is a list of parts. The item at an index is the one at that index of `input`.
 */
export function readItems(source: string, input: unknown): readonly Item[] {
  if (input === undefined || input === null) return []
  const given: unknown = typeof input === 'string' ? [{ role: 'user', content: input }] : input
  if (!Array.isArray(given)) throw invalidValue('input', 'input must be a text or a list of items')
  const makeId = idMaker(source)
  const items = given.map((item: unknown, at) => readItem(item, at, makeId))
  return withUniqueIds(items, new Set())
}

/**
 * What the engine is to read, and what is stored: the items of the responses before, then those
 * of this request. A reference adds nothing, because its item is already in the conversation.
 */
export function conversationOf(earlier: readonly Item[], input: readonly Item[]): readonly Item[] {
  const taken = new Set(earlier.map(({ id }) => id))
  const known = new Set(taken)
  const own = input.filter(({ type, id }, at) => {
    if (type === 'item_reference' && !known.has(id)) {
      const shown = id.slice(0, MAX_SHOWN)
      throw invalidValue(`input[${at}].id`, `there is no item '${shown}' in the conversation`)
    }
    known.add(id)
    return type !== 'item_reference'
  })
  return [...earlier, ...withUniqueIds(own, taken)]
}

/** Of what a client wrote, so much is repeated in an error. */
const MAX_SHOWN = 100

/** A list is read page by page by the ids of its items, so no two items may share one. */
function withUniqueIds(items: readonly Item[], taken: Set<string>): readonly Item[] {
  return items.map((item, at) => {
    if (item.type === 'item_reference') return item
    let { id } = item
    while (taken.has(id)) id = `${id}_${at}`
    taken.add(id)
    return id === item.id ? item : { ...item, id }
  })
}

type MakeId = (type: string, at: number) => string

const PREFIX: Readonly<Record<string, string>> = {
  message: 'msg',
  function_call: 'fc',
  function_call_output: 'fco',
  reasoning: 'rs',
}

/** The same request gives the same ids, on every replica. Another request gives others. */
function idMaker(source: string): MakeId {
  let hash: string | undefined
  return (type, at) => {
    hash ??= createHash('sha256').update(source).digest('hex').slice(0, 32)
    return `${Object.hasOwn(PREFIX, type) ? PREFIX[type] : 'item'}_${hash}_${at}`
  }
}

function readItem(item: unknown, at: number, makeId: MakeId): Item {
  const path = `input[${at}]`
  if (!isObject(item)) throw invalidValue(path, 'an item must be an object')
  const type = typeOf(item, path)
  const hasId = typeof item.id === 'string' && item.id !== ''
  const id = hasId ? (item.id as string) : makeId(type, at)
  const base = { ...item, type, id }
  switch (type) {
    case 'message':
      return { ...base, status: item.status ?? 'completed', content: readContent(item, path) }
    case 'function_call':
      return { ...base, status: item.status ?? 'completed', ...readCall(item, path) }
    case 'function_call_output':
      mustBeText(item, 'call_id', path)
      return { ...base, status: item.status ?? 'completed', output: readOutput(item.output, path) }
    case 'reasoning':
      return { ...base, summary: item.summary ?? [] }
    case 'item_reference':
      if (!hasId) throw invalidValue(`${path}.id`, 'an item_reference must have the id of an item')
      return base
    default:
      return base
  }
}

/** OpenAI's types let a message and a reference leave out their type. */
function typeOf({ type, role, id }: Fields, path: string): string {
  if (typeof type === 'string') return type
  if (type === undefined || type === null) {
    if (role !== undefined) return 'message'
    if (typeof id === 'string') return 'item_reference'
  }
  throw invalidValue(`${path}.type`, 'an item must have a type, and a message a role')
}

function mustBeText(item: Fields, name: string, path: string): void {
  if (typeof item[name] === 'string') return
  throw invalidValue(`${path}.${name}`, `${name} must be a text`)
}

function readCall(item: Fields, path: string): { arguments: unknown } {
  mustBeText(item, 'call_id', path)
  mustBeText(item, 'name', path)
  const { arguments: given = null } = item
  if (given !== null) mustBeText(item, 'arguments', path)
  return { arguments: given ?? '{}' }
}

function readContent(item: Fields, path: string): readonly unknown[] {
  mustBeText(item, 'role', path)
  const { content = null } = item
  const isSaid = item.role === 'assistant'
  const part = (text: string) =>
    isSaid ? { type: 'output_text', text, annotations: [] } : { type: 'input_text', text }
  if (content === null) return []
  if (typeof content === 'string') return [part(content)]
  if (Array.isArray(content)) return readParts(content, `${path}.content`, part)
  throw invalidValue(`${path}.content`, 'content must be a text or a list of parts')
}

function readOutput(output: unknown, path: string): unknown {
  if (typeof output === 'string') return output
  const part = (text: string) => ({ type: 'input_text', text })
  if (Array.isArray(output)) return readParts(output, `${path}.output`, part)
  throw invalidValue(`${path}.output`, 'output must be a text or a list of parts')
}

function readParts(
  parts: readonly unknown[],
  path: string,
  ofText: (text: string) => object,
): readonly unknown[] {
  return parts.map((part, at) => {
    if (typeof part === 'string') return ofText(part)
    if (!isObject(part)) throw invalidValue(`${path}[${at}]`, 'a part must be an object')
    checkPart(part, `${path}[${at}]`)
    return part
  })
}

const TEXT_OF: Readonly<Record<string, string>> = {
  input_text: 'text',
  output_text: 'text',
  refusal: 'refusal',
}

/** Files lie on OpenAI's servers, and no worker can reach them there. */
function checkPart(part: Fields, path: string): void {
  const { type } = part
  if (type === 'input_file') throw unsupported(path, 'files are not read here: send their text')
  if (type === 'input_image') {
    const { file_id: file = null, image_url: url } = part
    if (file !== null) {
      throw unsupported(`${path}.file_id`, 'files are not read here: send the image as image_url')
    }
    if (typeof url === 'string' || isObject(url)) return
    throw invalidValue(`${path}.image_url`, 'image_url must be a URL or a data URL')
  }
  if (typeof type !== 'string') throw invalidValue(`${path}.type`, 'a part must have a type')
  if (Object.hasOwn(TEXT_OF, type)) mustBeText(part, TEXT_OF[type] as string, path)
}
