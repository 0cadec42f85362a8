const said = (role: string, text: string, type = 'input_text') => ({
  type: 'message',
  role,
  content: [{ type, text }],
})

const EXEC = {
  type: 'function',
  name: 'exec_command',
  description: 'Runs a command in a shell',
  strict: false,
  parameters: {
    type: 'object',
    properties: { cmd: { type: 'string' }, yield_time_ms: { type: 'number' } },
    required: ['cmd'],
    additionalProperties: false,
  },
}
const NESTED = { ...EXEC, name: 'search', description: 'Searches' }

/** All kinds of tools that it may offer. Only those of type `function` can be called here. */
const TOOLS = [
  { type: 'web_search', external_web_access: false },
  EXEC,
  {
    type: 'custom',
    name: 'apply_patch',
    description: 'Changes files',
    format: { type: 'grammar', syntax: 'lark', definition: 'start: "x"' },
  },
  { type: 'namespace', name: 'mcp__docs', description: 'Documents', tools: [NESTED] },
  { type: 'image_generation', output_format: 'png' },
  { type: 'local_shell' },
  { type: 'tool_search', execution: 'client', description: 'Finds tools', parameters: {} },
]
export const IGNORED_TOOLS = [0, 2, 3, 4, 5, 6].map((at) => `tools[${at}].type`)

/** What an earlier turn left: its thoughts are sent back without the encrypted form that it asked for. */
const EARLIER = [
  said('user', 'what is here?'),
  { type: 'reasoning', id: 'rs_1', summary: [], content: null, encrypted_content: null },
  { type: 'function_call', name: 'exec_command', arguments: '{"cmd":"ls"}', call_id: 'call_1' },
  { type: 'function_call_output', call_id: 'call_1', output: 'a.txt' },
  { type: 'custom_tool_call', call_id: 'call_2', name: 'apply_patch', input: 'x' },
  { type: 'custom_tool_call_output', call_id: 'call_2', output: 'done' },
  { type: 'web_search_call', status: 'completed', action: { type: 'search', query: 'q' } },
  said('assistant', 'One file.', 'output_text'),
]

/** The body of a request of Codex, as `codex-api/src/common.rs` at 5c159cd9 has its fields (openai/codex). */
export const codexRequest = (prompt: string, more: object = {}) => ({
  model: 'chat',
  instructions: 'You are a coding agent.',
  input: [
    said('developer', '<permissions>read only</permissions>'),
    said('user', '<environment_context><cwd>/work</cwd></environment_context>'),
    ...EARLIER,
    said('user', prompt),
  ],
  tools: TOOLS,
  tool_choice: 'auto',
  parallel_tool_calls: true,
  reasoning: { effort: 'medium', summary: 'auto' },
  store: false,
  stream: true,
  include: ['reasoning.encrypted_content'],
  prompt_cache_key: '0199-4b1f',
  text: { verbosity: 'low' },
  ...more,
})
