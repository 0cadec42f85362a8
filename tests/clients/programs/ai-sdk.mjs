import { readFileSync } from 'node:fs'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { Output, embedMany, generateText, jsonSchema, streamText, tool } from 'ai'
import { z } from 'zod'
import { TOOL, collect, rounded, serve, textOf } from './serve.mjs'

const provider = (url) =>
  createOpenAICompatible({
    name: 'gateway',
    baseURL: url,
    apiKey: 'key',
    includeUsage: true,
    supportsStructuredOutputs: true,
  })
const call = ({ url, prompt, model = 'chat', ...more }) => ({
  model: provider(url).chatModel(model),
  prompt,
  ...more,
})
const TOOLS = {
  [TOOL.name]: tool({ description: TOOL.description, inputSchema: jsonSchema(TOOL.parameters) }),
}
const usageOf = ({ inputTokens, outputTokens }) => [inputTokens, outputTokens]
const callsOf = (calls) =>
  calls.map(({ toolCallId: id, toolName: name, input: args }) => ({ id, name, args }))

/** Reads every part, as a program does that shows more than text. An error is one of them. */
async function streamed(asked, { leave = false } = {}) {
  const controller = new AbortController()
  const reply = streamText({
    ...call(asked),
    abortSignal: controller.signal,
    // Errors are parts of the stream as well.
    onError: () => {},
  })
  const pieces = async function* () {
    for await (const part of reply.fullStream) {
      if (part.type === 'error') throw part.error
      if (part.type === 'text-delta') yield part.text
    }
  }
  const read = await collect(pieces(), () => {
    if (leave) controller.abort()
    return leave ? 'leave' : 'go on'
  })
  return { text: textOf(read), isInPieces: read.length > 1, reply }
}

const embeddings = async ({ url, texts }) => {
  const { embeddings: vectors } = await embedMany({
    model: provider(url).embeddingModel('embed'),
    values: texts,
  })
  return { vectors: rounded(vectors) }
}

const tasks = {
  plain: async (asked) => {
    const { text, finishReason: finish, usage } = await generateText(call(asked))
    return { text, finish, usage: usageOf(usage) }
  },
  stream: async (asked) => {
    const { text, isInPieces, reply } = await streamed(asked)
    return { text, isInPieces, finish: await reply.finishReason }
  },
  usage: async (asked) => {
    const { text, reply } = await streamed(asked)
    return { text, usage: usageOf(await reply.usage) }
  },
  tools: async (asked) => {
    const { finishReason: finish, toolCalls } = await generateText(call({ ...asked, tools: TOOLS }))
    return { finish, calls: callsOf(toolCalls) }
  },
  toolsStream: async (asked) => {
    const { reply } = await streamed({ ...asked, tools: TOOLS })
    return { finish: await reply.finishReason, calls: callsOf(await reply.toolCalls) }
  },
  schema: async (asked) => {
    const schema = z.object({ city: z.string(), people: z.number() })
    const { output } = await generateText(call({ ...asked, output: Output.object({ schema }) }))
    return { value: output }
  },
  reasoning: async (asked) => {
    const { text, reasoningText: reasoning } = await generateText(call(asked))
    return { text, reasoning }
  },
  reasoningStream: async (asked) => {
    const { text, reply } = await streamed(asked)
    return { text, reasoning: await reply.reasoningText }
  },
  // It always asks for numbers.
  embeddings,
  embeddingsFloat: embeddings,
  leave: async (asked) => ({ text: (await streamed(asked, { leave: true })).text }),
  unknown: (asked) => generateText(call({ ...asked, model: 'unknown' })),
}

const versionOf = (name) =>
  JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8')).version
const packages = ['@ai-sdk/openai-compatible', 'ai'].map((name) => `${name} ${versionOf(name)}`)
serve(packages.join(', '), tasks, (given) => {
  // After its last try it wraps the error of that try. In a stream, the error is what was sent.
  const { statusCode: status, data, message, ...sent } = given.lastError ?? given.sent ?? given
  const { code, param, type } = data?.error ?? sent
  return { status, code, param, type, message: data?.error?.message ?? message ?? String(given) }
})
