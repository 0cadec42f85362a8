import { ResponseFold } from '../../src/http/openai/responses/response-fold.ts'
import { ResponseReader } from './response-reader.ts'
import type { JobEvent } from '../../src/job.ts'
import type {
  Echo,
  Item,
  ResponseEvent,
  ResponseFrame,
  ResponseObject,
} from '../../src/http/openai/responses/response-types.ts'

const ECHO: Echo = {
  background: false,
  frequency_penalty: 0,
  instructions: null,
  max_output_tokens: null,
  max_tool_calls: null,
  metadata: {},
  model: 'm',
  parallel_tool_calls: true,
  presence_penalty: 0,
  previous_response_id: null,
  prompt_cache_key: null,
  reasoning: null,
  safety_identifier: null,
  service_tier: 'default',
  store: true,
  temperature: 1,
  text: { format: { type: 'text' } },
  tool_choice: 'auto',
  tools: [],
  top_logprobs: 0,
  top_p: 1,
  truncation: 'disabled',
  user: null,
}

export const frameOf = (more: Partial<Echo> = {}): ResponseFrame => ({
  id: 'resp_j',
  createdAt: 7,
  echo: { ...ECHO, ...more },
})

/** All events of a response, read strictly. */
export function eventsOf(events: readonly JobEvent[], frame = frameOf()): ResponseEvent[] {
  const fold = new ResponseFold(frame)
  const all = [...fold.begin(), ...events.flatMap((event) => fold.step(event))]
  new ResponseReader().read(all)
  return all
}

/** The last event of a response, and what it says. */
export function endOf(events: readonly JobEvent[], frame = frameOf()) {
  const { type, response } = eventsOf(events, frame).at(-1) as unknown as {
    type: string
    response: ResponseObject
  }
  return { type, response, output: response.output.map(briefItem) }
}

/** An item in a few words. */
export function briefItem(item: Item): string {
  const { type, status, name, call_id: callId, arguments: given, content } = item
  const said = ((content ?? []) as { text?: string; refusal?: string }[])
    .map(({ text, refusal }) => text ?? `refusal ${refusal}`)
    .join('|')
  const what =
    type === 'function_call' ? `${String(callId)} ${String(name)}(${String(given)})` : said
  return `${type} ${what}${status === 'completed' ? '' : ` ${String(status)}`}`
}

/** An event in a few words. */
export function brief(event: ResponseEvent): string {
  const { type, delta, item, response } = event as unknown as {
    type: string
    delta?: string
    item?: Item
    response?: ResponseObject
  }
  const said = delta ?? item?.id ?? response?.status
  return [type.replace('response.', ''), ...(said === undefined ? [] : [said])].join(' ')
}

/** A chunk of one choice. */
export const chunkOf = (delta: object, more: object = {}) => ({
  choices: [{ index: 0, delta, ...more }],
})
export const think = (reasoning: string) => chunkOf({ reasoning })
export const callPiece = (
  index: number | undefined,
  given: string | object,
  { id, name }: { id?: string; name?: string } = {},
) => chunkOf({ tool_calls: [{ index, id, function: { name, arguments: given } }] })
/** The engine's whole answer, as a worker hands it on. */
export const bodyOf = (message: object, more: object = {}, usage?: object): string =>
  JSON.stringify({ choices: [{ index: 0, message, ...more }], usage })
