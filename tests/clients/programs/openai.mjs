import OpenAI from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { VERSION } from 'openai/version'
import { z } from 'zod'
import { TOOL, collect, rounded, serve, textOf } from './serve.mjs'

const client = (url) => new OpenAI({ baseURL: url, apiKey: 'key' })
const chat = (prompt, more = {}) => ({
  model: 'chat',
  messages: [{ role: 'user', content: prompt }],
  ...more,
})
const TOOLS = [{ type: 'function', function: TOOL }]
const usageOf = (usage) => usage && [usage.prompt_tokens, usage.completion_tokens]
const callsOf = (calls = []) =>
  calls.map(({ id, function: { name, arguments: args } }) => ({ id, name, args: JSON.parse(args) }))
const contentOf = (chunk) => chunk.choices[0]?.delta.content ?? ''

async function answered({ url, prompt, timeoutS, ...more }) {
  // It states a timeout to the server only where it is one of the request.
  const options = timeoutS === undefined ? {} : { timeout: timeoutS * 1000 }
  const { choices, usage } = await client(url).chat.completions.create(chat(prompt, more), options)
  const { message, finish_reason: finish } = choices[0]
  return { text: message.content, finish, usage: usageOf(usage), message }
}

async function streamed({ url, prompt, leave, ...more }) {
  const stream = await client(url).chat.completions.create(chat(prompt, { stream: true, ...more }))
  let [usage, finish, reasoning] = [undefined, undefined, '']
  const pieces = async function* () {
    for await (const chunk of stream) {
      usage = usageOf(chunk.usage ?? undefined) ?? usage
      finish = chunk.choices[0]?.finish_reason ?? finish
      reasoning += chunk.choices[0]?.delta.reasoning_content ?? ''
      if (contentOf(chunk) !== '') yield contentOf(chunk)
    }
  }
  const read = await collect(pieces(), () => {
    if (leave) stream.controller.abort()
    return leave ? 'leave' : 'go on'
  })
  return { text: textOf(read), isInPieces: read.length > 1, finish, usage, reasoning }
}

const embeddings = async ({ url, texts, ...more }) => {
  const { data } = await client(url).embeddings.create({ model: 'embed', input: texts, ...more })
  return { vectors: rounded(data.map(({ embedding }) => embedding)) }
}

const tasks = {
  plain: async (asked) => {
    const { text, finish, usage } = await answered(asked)
    return { text, finish, usage }
  },
  stream: async (asked) => {
    const { text, isInPieces, finish } = await streamed(asked)
    return { text, isInPieces, finish }
  },
  usage: async (asked) => {
    const { text, usage } = await streamed({ ...asked, stream_options: { include_usage: true } })
    return { text, usage }
  },
  tools: async (asked) => {
    const { finish, message } = await answered({ ...asked, tools: TOOLS })
    return { finish, calls: callsOf(message.tool_calls) }
  },
  toolsStream: async ({ url, prompt }) => {
    // The strict helper, which puts the pieces together and checks them.
    const stream = client(url).chat.completions.stream(chat(prompt, { tools: TOOLS }))
    const { message, finish_reason: finish } = (await stream.finalChatCompletion()).choices[0]
    return { finish, calls: callsOf(message.tool_calls) }
  },
  schema: async ({ url, prompt }) => {
    const City = z.object({ city: z.string(), people: z.number() })
    const format = { response_format: zodResponseFormat(City, 'city') }
    const { choices } = await client(url).chat.completions.parse(chat(prompt, format))
    return { value: choices[0].message.parsed }
  },
  reasoning: async (asked) => {
    const { text, message } = await answered(asked)
    return { text, reasoning: message.reasoning_content }
  },
  reasoningStream: async (asked) => {
    const { text, reasoning } = await streamed(asked)
    return { text, reasoning }
  },
  embeddings,
  embeddingsFloat: (asked) => embeddings({ ...asked, encoding_format: 'float' }),
  leave: async (asked) => ({ text: (await streamed({ ...asked, leave: true })).text }),
  unknown: async (asked) => answered({ ...asked, model: 'unknown' }),
  models: async ({ url }) => {
    const ids = []
    for await (const { id } of client(url).models.list()) ids.push(id)
    return { ids }
  },
}

serve(`openai ${VERSION}`, tasks, ({ status, code, param, type, message }) => {
  return { status, code, param, type, message }
})
