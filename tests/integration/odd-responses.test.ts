import { expect, test } from 'vitest'
import { ask, startEngineWorker, startOpenAiGateway } from '../support/engine-worker.ts'
import { freshSettings } from '../support/scene.ts'

const words = (text: string): string[] => text.trim().split(/\s+/)

/** Each field that the gateway reads, and where a value can be within it. `@` is the value. */
const PLACES: readonly string[] = [
  '{"model":"whole","input":@}',
  '{"model":"whole","input":[@]}',
  '{"model":"whole","input":[{"role":@,"content":"x"}]}',
  '{"model":"whole","input":[{"role":"user","content":@}]}',
  '{"model":"whole","input":[{"role":"user","content":[@]}]}',
  '{"model":"whole","input":[{"role":"user","content":[{"type":@}]}]}',
  '{"model":"whole","input":[{"role":"user","content":[{"type":"input_text","text":@}]}]}',
  '{"model":"whole","input":[{"role":"user","content":[{"type":"input_image","image_url":@}]}]}',
  '{"model":"whole","input":[{"role":"user","content":"x","id":@,"status":@}]}',
  '{"model":"whole","input":[{"type":@,"id":"i"}]}',
  '{"model":"whole","input":[{"type":"function_call","call_id":"c","name":"f","arguments":@}]}',
  '{"model":"whole","input":[{"type":"function_call_output","call_id":"c","output":@}]}',
  '{"model":"whole","input":[{"type":"reasoning","summary":@,"content":@,"id":@}]}',
  '{"model":"whole","input":"x","metadata":{"k":@}}',
  '{"model":"whole","input":"x","tools":[@]}',
  '{"model":"whole","input":"x","tools":[{"type":"function","name":@,"parameters":@}]}',
  '{"model":"whole","input":"x","tools":[{"type":"function","name":"f"}],"tool_choice":@}',
  '{"model":"whole","input":"x","text":{"format":@,"verbosity":@}}',
  '{"model":"whole","input":"x","text":{"format":{"type":"json_schema","schema":@,"name":@}}}',
  '{"model":"whole","input":"x","reasoning":{"effort":@,"summary":@}}',
  '{"model":"whole","input":"x","include":[@]}',
  '{"model":"whole","input":"x",@:1}',
  ...words(
    `model instructions previous_response_id background stream store metadata
     max_output_tokens tools tool_choice text reasoning include service_tier
     temperature top_p top_logprobs truncation user stop n parallel_tool_calls
     presence_penalty conversation prompt stream_options prompt_cache_key
     max_tool_calls safety_identifier messages response_format`,
  ).map((name) => `{"model":"whole","input":"x","${name}":@}`),
]

const deep = (levels: number, open = '[', close = ']') =>
  open.repeat(levels) + (open === '[' ? '' : '1') + close.repeat(levels)

const VALUES: readonly string[] = [
  ['null', 'true', '0', '-0', '-1', '1.5', '1e400', '-1e400', '1E308', '9007199254740993'],
  [`1${'0'.repeat(400)}`, '5e-324', '""', '"x"', '"null"', '"required"', '"auto"'],
  // NUL, half a character, an end of line that some readers know, a name that objects have.
  [String.raw`"\u0000"`, String.raw`"\ud800"`, String.raw`"a\udc00\ud800b"`],
  [String.raw`"\u2028\u0085\r\n"`, '"__proto__"', '"constructor"', '"toString"', '"💡"'],
  ['[]', '[[]]', '[null]', '{}', '{"__proto__":{"a":1}}', '{"constructor":null}', '{"":""}'],
  ['{"a":1,"a":"b"}', '{"type":"function"}', '{"length":1}', '{"toJSON":1}', '["__proto__"]'],
  [deep(60), deep(3000), deep(60, '{"a":', '}'), deep(3000, '{"a":', '}')],
  `"${'x'.repeat(5000)}"`,
].flat()

/** What is wrong with how such a body was answered; undefined where nothing is. */
async function faultOf(url: string, sent: string, answered: (status: number) => void) {
  const { status, text } = await ask(url, '/v1/responses', sent)
  answered(status)
  const shown = `${sent.slice(0, 200)} -> ${status} ${text.slice(0, 200)}`
  if (status === 400 || status === 404) return JSON.parse(text).error.message ? undefined : shown
  if (status !== 200) return shown
  if (!text.startsWith('{')) return text.endsWith('data: [DONE]\n\n') ? undefined : shown
  const response = JSON.parse(text)
  if (!response.store || response.background) return undefined
  const again = await fetch(`${url}/v1/responses/${response.id}`)
  const items = await fetch(`${url}/v1/responses/${response.id}/input_items`)
  return (await again.text()) === text && items.status === 200 ? undefined : shown
}

test('a body of any odd shape is answered or refused by name, and what is answered reads the same', async () => {
  const message = { role: 'assistant', content: 'Hi' }
  const body = JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }] })
  const settings = freshSettings()
  await startEngineWorker(settings, ({ end }) => end({ kind: 'succeeded', content: 'Hi', body }))
  const { url } = await startOpenAiGateway(settings)
  // All of them take half a minute. A third has each value in many places, and many values in each place.
  const bodies = PLACES.flatMap((place, row) =>
    VALUES.filter((_, column) => (row + column) % 3 === 0).map((value) =>
      place.replaceAll('@', value),
    ),
  )
  const counts: Record<number, number> = {}
  const count = (status: number) => (counts[status] = (counts[status] ?? 0) + 1)
  const faults: unknown[] = []
  for (let at = 0; at < bodies.length; at += 20) {
    const some = bodies.slice(at, at + 20).map((sent) => faultOf(url, sent, count))
    faults.push(...(await Promise.all(some)))
  }
  expect(faults.filter((fault) => fault !== undefined)).toEqual([])
  // Neither all of them are refused nor all accepted.
  expect(counts[200]).toBeGreaterThan(200)
  expect(counts[400]).toBeGreaterThan(100)
})
