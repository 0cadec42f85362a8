import { elementsOf, membersOf, withMembers } from '../../../json-source.ts'
import { invalidValue } from '../openai-errors.ts'
import { isObject } from '../json-fields.ts'
import { unsupported } from './response-items.ts'
import type { Fields } from '../json-fields.ts'

/** The tools of a request: in the form of the chat API, and in that of the response object. */
export interface Tools {
  /** For the chat API, as source text. Undefined where no tool is left. */
  readonly tools: string | undefined
  readonly toolChoice: string | undefined
  /** The place in the request of each tool that is left. */
  readonly places: readonly number[]
  /** Names what had no effect. */
  readonly ignored: readonly string[]
  readonly echo: { readonly tools: readonly unknown[]; readonly tool_choice: unknown }
}

interface FunctionTool {
  readonly at: number
  readonly name: unknown
  readonly source: string
  readonly echo: object
}

interface Choice {
  /** For the chat API, as source text. */
  readonly source: string | undefined
  readonly echo: unknown
  /** Functions with these names may be called. Undefined where all of them may. */
  readonly allowed?: ReadonlySet<unknown>
  /** The model must call a function. */
  readonly isForced: boolean
}

/**
 * Only functions can be called here, because their client runs them. Tools that OpenAI runs
 * itself, and other kinds, are left out with notice, as long as the client does not insist on a call.
 * `source` is the source text of `tools`.
 */
export function readTools(source: string | undefined, { tools, tool_choice }: Fields): Tools {
  const { functions, ignored } = readFunctions(source, tools ?? [])
  const { allowed, ...choice } = readChoice(tool_choice ?? 'auto')
  const left = functions.filter(({ name }) => allowed === undefined || allowed.has(name))
  const hasTools = left.length > 0
  if (!hasTools && choice.isForced) {
    throw invalidValue('tool_choice', 'tool_choice asks for a call, and there is no function tool')
  }
  return {
    tools: hasTools ? `[${left.map((tool) => tool.source).join(',')}]` : undefined,
    // Engines refuse a choice without tools.
    toolChoice: hasTools && (tool_choice ?? null) !== null ? choice.source : undefined,
    places: left.map(({ at }) => at),
    ignored,
    echo: { tools: functions.map(({ echo }) => echo), tool_choice: choice.echo },
  }
}

function readFunctions(source: string | undefined, tools: unknown) {
  if (!Array.isArray(tools)) throw invalidValue('tools', 'tools must be a list')
  const sources = tools.length > 0 ? elementsOf(source ?? '[]') : []
  const functions: FunctionTool[] = []
  const ignored: string[] = []
  for (const [at, tool] of (tools as unknown[]).entries()) {
    if (!isObject(tool)) throw invalidValue(`tools[${at}]`, 'a tool must be an object')
    if (typeof tool.type !== 'string') {
      throw invalidValue(`tools[${at}].type`, 'a tool must have a type')
    }
    if (tool.type === 'function') functions.push(functionOf(tool, sources[at] ?? '{}', at))
    else ignored.push(`tools[${at}].type`)
  }
  return { functions, ignored }
}

/**
 * The fields beside the type, as an object of their own: the chat API nests them. In the
 * Responses API null says that the client left a field open, and some engines refuse it.
 */
export function nestedFields(source: string): string {
  const nulls = [...membersOf(source)].filter(([, value]) => value === 'null')
  const removed = ['type', ...nulls.map(([name]) => name)]
  return withMembers(source, Object.fromEntries(removed.map((name) => [name, undefined])))
}

function functionOf(tool: Fields, source: string, at: number): FunctionTool {
  const nested = isObject(tool.function) ? tool.function : undefined
  const fields = nested ?? tool
  return {
    at,
    name: fields.name,
    source: nested ? source : `{"type":"function","function":${nestedFields(source)}}`,
    echo: { description: null, parameters: null, strict: null, ...fields, type: 'function' },
  }
}

function readChoice(choice: unknown): Choice {
  if (typeof choice === 'string') {
    return { source: JSON.stringify(choice), echo: choice, isForced: choice === 'required' }
  }
  if (!isObject(choice)) {
    throw invalidValue('tool_choice', 'tool_choice must be a text or an object')
  }
  if (choice.type === 'function') return functionChoice(choice)
  if (choice.type === 'allowed_tools') return allowedChoice(choice)
  throw unsupported('tool_choice', 'only a tool of type function can be called here')
}

function functionChoice(choice: Fields): Choice {
  const { name } = isObject(choice.function) ? choice.function : choice
  if (typeof name !== 'string') {
    throw invalidValue('tool_choice.name', 'tool_choice must have the name of a function')
  }
  const source = JSON.stringify({ type: 'function', function: { name } })
  return { source, echo: { type: 'function', name }, isForced: true }
}

/** The tools that may not be called are not sent, which every engine follows. */
function allowedChoice({ tools, mode: given = null }: Fields): Choice {
  const mode = given ?? 'auto'
  if (typeof mode !== 'string') throw invalidValue('tool_choice.mode', 'mode must be a text')
  if (!Array.isArray(tools)) throw invalidValue('tool_choice.tools', 'tools must be a list')
  const functions = (tools as unknown[]).filter(
    (tool) => isObject(tool) && tool.type === 'function',
  )
  const names = functions.map((tool) => (tool as Fields).name)
  return {
    source: JSON.stringify(mode),
    echo: { type: 'allowed_tools', tools, mode },
    allowed: new Set(names),
    isForced: mode === 'required',
  }
}
