import { isObject } from '../upstream/error-text.ts'
import { invalid } from './invalid-request.ts'
import { valueFor } from './schema-value.ts'
import type { Fields } from './request-fields.ts'

export interface ToolCall {
  readonly name: string
  /** JSON text that fits the tool's schema. */
  readonly arguments: string
}

interface Tool {
  readonly name: string
  readonly at: number
  readonly parameters: unknown
}

/** The call that the engine would make: of the tool that the client chose, or of the first one. */
export function toolCallOf(
  { tools, tool_choice: choice }: Fields,
  words: string,
): ToolCall | undefined {
  if (tools === undefined || tools === null) return undefined
  if (!Array.isArray(tools)) throw invalid('tools', 'must be a list')
  const all = tools.map((tool: unknown, at): Tool => {
    const { name, parameters = {} } = functionOf(tool)
    const param = `tools[${at}].function`
    if (typeof name !== 'string' || name === '') throw invalid(`${param}.name`, 'must be a string')
    return { name, at, parameters: parameters ?? {} }
  })
  const tool = chosen(all, choice ?? 'auto')
  if (tool === undefined) return undefined
  const { name, at, parameters } = tool
  // Arguments are an object also where a tool does not say which.
  const schema = isObject(parameters) ? { type: 'object', ...parameters } : parameters
  const value = valueFor(schema, words, `tools[${at}].function.parameters`)
  return { name, arguments: JSON.stringify(value) }
}

const functionOf = (tool: unknown): Fields =>
  isObject(tool) && isObject(tool.function) ? tool.function : {}

function chosen(tools: readonly Tool[], choice: unknown): Tool | undefined {
  if (choice === 'none') return undefined
  if (choice === 'auto' || choice === 'required') return tools[0]
  const allowed = isObject(choice) && isObject(choice.allowed_tools) ? choice.allowed_tools : {}
  const [first]: unknown[] = Array.isArray(allowed.tools) ? allowed.tools : [choice]
  const { name } = functionOf(first)
  const tool = tools.find((one) => one.name === name)
  if (tool === undefined) {
    throw invalid('tool_choice', 'must be none, auto, required or name one of the tools')
  }
  return tool
}
