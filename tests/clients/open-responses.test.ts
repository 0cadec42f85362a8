import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { eventSchema, responseSchema } from './support/open-responses.ts'
import { stacksOfFile } from './support/stack.ts'
import type { OpenResponse } from './support/open-responses.ts'

/**
 * The compliance checks of Open Responses (openresponses/openresponses, `src/lib/compliance-tests.ts`
 * at 0cb939cc) in words of our own: their runtime is bun, and no package has them.
 */
const stacks = stacksOfFile({ echo: { ENGINE: 'echo' } })

const said = (role: string, content: unknown) => ({ type: 'message', role, content })
const WEATHER = {
  type: 'function',
  name: 'get_weather',
  description: 'Tells the weather of a place',
  parameters: {
    type: 'object',
    properties: { location: { type: 'string', description: 'City and country' } },
    required: ['location'],
  },
}
const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=='

async function send(body: object): Promise<Response> {
  const { url } = stacks('echo')
  const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: [{ id: string }] }
  const reply = await fetch(`${url}/v1/responses`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer key' },
    body: JSON.stringify({ model: data[0].id, ...body }),
  })
  expect(reply.status).toBe(200)
  return reply
}

/** Throws where a field is missing or has another type. */
const answered = async (body: object): Promise<OpenResponse> =>
  v.parse(responseSchema, await (await send({ ...body, stream: false })).json())

/** Every event, each in the form of its type; `[DONE]` is the last. */
async function streamed(body: object) {
  const text = await (await send({ ...body, stream: true })).text()
  const data = [...text.matchAll(/^data: (.*)$/gm)].map(([, line]) => line as string)
  expect(data.pop()).toBe('[DONE]')
  const events = data.map((line) => {
    const event: unknown = JSON.parse(line)
    const { success, issues } = v.safeParse(eventSchema, event)
    expect({ event, success, issues }).toMatchObject({ success: true })
    return event as { type: string; item?: { type: string }; response?: unknown }
  })
  return { events, final: v.parse(responseSchema, events.at(-1)?.response) }
}

const typesIn = ({ output }: OpenResponse) => output.map(({ type }) => type)

describe('Open Responses wants', () => {
  test('a text', async () => {
    const response = await answered({ input: [said('user', 'Say a word.')] })
    expect(response.status).toBe('completed')
    expect(typesIn(response)).toEqual(['message'])
  })

  test('a stream', async () => {
    const { events, final } = await streamed({ input: [said('user', 'Count to five.')] })
    expect(events.length).toBeGreaterThan(0)
    expect(final.status).toBe('completed')
  })

  test('a system prompt among the items', async () => {
    const input = [said('system', 'You rhyme.'), said('user', 'Greet me.')]
    const response = await answered({ input })
    expect(response.status).toBe('completed')
    expect(typesIn(response)).toEqual(['message'])
  })

  test('a call of a function', async () => {
    const input = [said('user', 'How is the weather in Oslo?')]
    const response = await answered({ input, tools: [WEATHER] })
    expect(typesIn(response)).toContain('function_call')
  })

  test('a call of a function in a stream', async () => {
    const input = [said('user', 'How is the weather in Oslo?')]
    const { events, final } = await streamed({ input, tools: [WEATHER] })
    const told = events.map(({ type, item }) => (item ? `${type} of ${item.type}` : type))
    expect(told).toEqual(
      expect.arrayContaining([
        'response.output_item.added of function_call',
        'response.function_call_arguments.delta',
        'response.function_call_arguments.done',
        'response.output_item.done of function_call',
      ]),
    )
    expect(typesIn(final)).toContain('function_call')
  })

  test('an image', async () => {
    const content = [
      { type: 'input_text', text: 'What is in it?' },
      { type: 'input_image', image_url: PIXEL },
    ]
    const response = await answered({ input: [said('user', content)] })
    expect(response.status).toBe('completed')
    expect(response.output).not.toEqual([])
  })

  test('a conversation of several turns', async () => {
    const input = [
      said('user', 'I am Ada.'),
      said('assistant', 'Hello Ada.'),
      said('user', 'Who am I?'),
    ]
    const response = await answered({ input })
    expect(response.status).toBe('completed')
    expect(response.output).not.toEqual([])
  })
})

/** Their checks ask with few fields. These ask with the others that the response repeats. */
describe('the form of Open Responses has also', () => {
  const input = 'Say a word.'
  test.each<[string, object, object]>([
    [
      'reasoning',
      { reasoning: { effort: 'low' } },
      { reasoning: { effort: 'low', summary: null } },
    ],
    [
      'a schema',
      { text: { format: { type: 'json_schema', name: 'a', schema: { type: 'object' } } } },
      {},
    ],
    [
      'one function',
      { tools: [WEATHER], tool_choice: { type: 'function', name: 'get_weather' } },
      {},
    ],
    ['fields that are null', { temperature: null, top_p: null, metadata: null, tools: null }, {}],
    ['a limit', { max_output_tokens: 16, max_tool_calls: 1, truncation: 'auto' }, {}],
    ['names', { metadata: { a: 'b' }, prompt_cache_key: 'k', safety_identifier: 's' }, {}],
  ])('a response to %s', async (_, fields, more) => {
    const given = Object.entries(fields).filter(([, value]) => value !== null)
    const same = [
      'max_output_tokens',
      'max_tool_calls',
      'truncation',
      'metadata',
      'prompt_cache_key',
    ]
    const kept = Object.fromEntries(given.filter(([name]) => same.includes(name)))
    expect(await answered({ input, ...fields })).toMatchObject({ ...kept, ...more })
  })

  test('one that was cut', async () => {
    const { final } = await streamed({ input: 'a b c d e f g', max_output_tokens: 3 })
    expect(final).toMatchObject({ status: 'incomplete', completed_at: null })
    expect(final.incomplete_details).toEqual({ reason: 'max_output_tokens' })
  })

  test('one that failed', async () => {
    const { final } = await streamed({ input: 'error 500', background: true })
    expect(final).toMatchObject({ status: 'failed', error: { code: 'server_error' } })
  })
})
