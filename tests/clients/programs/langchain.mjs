import { readFileSync } from 'node:fs'
import { HumanMessage } from '@langchain/core/messages'
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { TOOL, collect, rounded, serve, textOf } from './serve.mjs'

const configuration = (url) => ({ apiKey: 'key', configuration: { baseURL: url } })
const model = ({ url, ...more }) =>
  new ChatOpenAI({ model: 'chat', ...configuration(url), ...more })
const ask = (prompt) => [new HumanMessage(prompt)]
const TOOLS = [{ type: 'function', function: TOOL }]
const usageOf = (usage) => usage && [usage.input_tokens, usage.output_tokens]
const callsOf = (calls = []) => calls.map(({ id, name, args }) => ({ id, name, args }))

async function answered(runnable, prompt) {
  const message = await runnable.invoke(ask(prompt))
  const { finish_reason: finish } = message.response_metadata
  return { text: message.content, finish, usage: usageOf(message.usage_metadata), message }
}

async function streamed(runnable, prompt, { leave = false } = {}) {
  const controller = new AbortController()
  const stream = await runnable.stream(ask(prompt), { signal: controller.signal })
  let whole
  const pieces = async function* () {
    for await (const chunk of stream) {
      whole = whole === undefined ? chunk : whole.concat(chunk)
      if (chunk.content !== '') yield chunk.content
    }
  }
  const read = await collect(pieces(), () => {
    if (leave) controller.abort()
    return leave ? 'leave' : 'go on'
  })
  const { finish_reason: finish } = whole.response_metadata
  return { text: textOf(read), isInPieces: read.length > 1, finish, whole }
}

const embeddings = async ({ url, texts, ...more }) => {
  const embedder = new OpenAIEmbeddings({ model: 'embed', ...configuration(url), ...more })
  return { vectors: rounded(await embedder.embedDocuments(texts)) }
}

const tasks = {
  plain: async ({ url, prompt }) => {
    const { text, finish, usage } = await answered(model({ url }), prompt)
    return { text, finish, usage }
  },
  stream: async ({ url, prompt }) => {
    const { text, isInPieces, finish } = await streamed(model({ url }), prompt)
    return { text, isInPieces, finish }
  },
  usage: async ({ url, prompt }) => {
    const { text, whole } = await streamed(model({ url }), prompt)
    return { text, usage: usageOf(whole.usage_metadata) }
  },
  tools: async ({ url, prompt }) => {
    const { finish, message } = await answered(model({ url }).bindTools(TOOLS), prompt)
    return { finish, calls: callsOf(message.tool_calls) }
  },
  toolsStream: async ({ url, prompt }) => {
    const { finish, whole } = await streamed(model({ url }).bindTools(TOOLS), prompt)
    return { finish, calls: callsOf(whole.tool_calls) }
  },
  schema: async ({ url, prompt }) => {
    const city = {
      title: 'city',
      type: 'object',
      properties: { city: { type: 'string' }, people: { type: 'number' } },
      required: ['city', 'people'],
    }
    const structured = model({ url }).withStructuredOutput(city, { method: 'jsonSchema' })
    return { value: await structured.invoke(ask(prompt)) }
  },
  reasoning: async ({ url, prompt }) => {
    const { text, message } = await answered(model({ url }), prompt)
    return { text, reasoning: message.additional_kwargs.reasoning_content }
  },
  reasoningStream: async ({ url, prompt }) => {
    const { text, whole } = await streamed(model({ url }), prompt)
    return { text, reasoning: whole.additional_kwargs.reasoning_content }
  },
  embeddings,
  embeddingsFloat: (asked) => embeddings({ ...asked, encodingFormat: 'float' }),
  leave: async ({ url, prompt }) => {
    return { text: (await streamed(model({ url }), prompt, { leave: true })).text }
  },
  unknown: ({ url, prompt }) => answered(model({ url, model: 'unknown' }), prompt),
}

const { version } = JSON.parse(readFileSync('node_modules/@langchain/openai/package.json', 'utf8'))
serve(`@langchain/openai ${version}`, tasks, ({ status, code, param, type, message }) => {
  return { status, code, param, type, message }
})
