import OpenAI from 'openai'
import { zodTextFormat } from 'openai/helpers/zod'
import { VERSION } from 'openai/version'
import { z } from 'zod'
import { TOOL, collect, serve, textOf } from './serve.mjs'

const TOOLS = [{ type: 'function', strict: true, ...TOOL }]
const OPEN = ['queued', 'in_progress']

const responses = (url) => new OpenAI({ baseURL: url, apiKey: 'key' }).responses
const asking = (prompt, more = {}) => ({ model: 'chat', input: prompt, ...more })
const ofType = ({ output }, type) => output.filter((item) => item.type === type)
const contentOf = (response, type) =>
  ofType(response, type).flatMap(({ content = [] }) => content.map(({ text }) => text))

/** What a user reads in a response. */
const shown = (response) => ({
  status: response.status,
  text: textOf(contentOf(response, 'message')),
  reasoning: textOf(contentOf(response, 'reasoning')),
  calls: ofType(response, 'function_call').map(({ call_id: id, name, arguments: args }) => {
    return { id, name, args: JSON.parse(args) }
  }),
  usage: response.usage ? [response.usage.input_tokens, response.usage.output_tokens] : null,
  error: response.error ? response.error.message : null,
  reason: response.incomplete_details ? response.incomplete_details.reason : null,
})

/** What a loop over the events of a response gives. */
async function loop(events) {
  const seen = []
  await collect(
    (async function* () {
      for await (const event of events) {
        if (event.type !== 'keepalive') seen.push(event)
        if (event.type === 'response.output_text.delta') yield event.delta
      }
    })(),
  )
  return toldBy(seen)
}

const toldBy = (seen) => ({
  text: textOf(seen.map(({ type, delta }) => (type === 'response.output_text.delta' ? delta : ''))),
  numbers: seen.map(({ sequence_number: number }) => number),
  types: [...new Set(seen.map(({ type }) => type))],
  end: seen.at(-1)?.response ? shown(seen.at(-1).response) : null,
})

async function helped(stream) {
  const seen = []
  for await (const event of stream) seen.push(event)
  const final = shown(await stream.finalResponse())
  return { numbers: toldBy(seen).numbers, final }
}

async function untilEnded(api, id) {
  for (;;) {
    const response = await api.retrieve(id)
    if (!OPEN.includes(response.status)) return response
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const tasks = {
  plain: async ({ url, prompt, timeoutS, ...more }) => {
    // It states a timeout to the server only where it is one of the request.
    const options = timeoutS === undefined ? {} : { timeout: timeoutS * 1000 }
    const response = await responses(url).create(asking(prompt, more), options)
    return { ...shown(response), text: response.output_text }
  },
  tools: async ({ url, prompt }) =>
    shown(await responses(url).create(asking(prompt, { tools: TOOLS }))),
  stream: async ({ url, prompt, ...more }) =>
    loop(await responses(url).create(asking(prompt, { stream: true, ...more }))),
  helper: async ({ url, prompt, ...more }) => helped(responses(url).stream(asking(prompt, more))),
  helperTools: async ({ url, prompt }) =>
    helped(responses(url).stream(asking(prompt, { tools: TOOLS }))),
  schema: async ({ url, prompt }) => {
    const City = z.object({ city: z.string(), people: z.number() })
    const text = { format: zodTextFormat(City, 'city') }
    const { output_parsed: value } = await responses(url).parse(asking(prompt, { text }))
    return { value }
  },
  leave: async ({ url, prompt }) => {
    const stream = await responses(url).create(asking(prompt, { stream: true }))
    for await (const { type, delta } of stream) {
      if (type === 'response.output_text.delta') return { text: delta }
    }
  },
  resume: async ({ url, prompt }) => {
    const api = responses(url)
    const first = await api.create(asking(prompt, { stream: true, background: true }))
    let [id, after, text] = ['', -1, '']
    for await (const event of first) {
      id = event.response?.id ?? id
      after = event.sequence_number
      if (event.type !== 'response.output_text.delta') continue
      text = event.delta
      break
    }
    const rest = await loop(await api.retrieve(id, { stream: true, starting_after: after }))
    return { after, ...rest, text: text + rest.text }
  },
  replay: async ({ url, prompt, after }) => {
    const api = responses(url)
    const { id } = await api.create(asking(prompt, { background: true }))
    return helped(api.stream({ response_id: id, starting_after: after }))
  },
  background: async ({ url, prompt }) => {
    const api = responses(url)
    const { id, status } = await api.create(asking(prompt, { background: true }))
    return { first: status, end: shown(await untilEnded(api, id)) }
  },
  cancel: async ({ url, prompt }) => {
    const api = responses(url)
    const { id } = await api.create(asking(prompt, { background: true }))
    const cancelled = [await api.cancel(id), await api.cancel(id), await api.retrieve(id)]
    return { statuses: cancelled.map(({ status }) => status) }
  },
  delete: async ({ url, prompt }) => {
    const api = responses(url)
    const { id } = await api.create(asking(prompt))
    await api.delete(id)
    return shown(await api.retrieve(id))
  },
  inputItems: async ({ url, prompt }) => {
    const api = responses(url)
    const { id } = await api.create(asking(prompt))
    const items = []
    for await (const { type, role, content } of api.inputItems.list(id)) {
      items.push({ type, role, text: content[0].text })
    }
    return { items }
  },
  turn: async ({ url, prompt, output }) => {
    const api = responses(url)
    const first = await api.create(asking(prompt, { tools: TOOLS }))
    const input = ofType(first, 'function_call').map(({ call_id }) => {
      return { type: 'function_call_output', call_id, output }
    })
    const next = { tools: TOOLS, previous_response_id: first.id }
    return shown(await api.create(asking(input, next)))
  },
}

serve(`openai ${VERSION}`, tasks, ({ status, code, param, type, message }) => {
  return { status, code, param, type, message }
})
