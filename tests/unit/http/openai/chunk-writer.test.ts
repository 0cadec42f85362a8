import { describe, expect, test } from 'vitest'
import { ChunkWriter } from '../../../../src/http/openai/chunk-writer.ts'
import { GatewayError, toGatewayError } from '../../../../src/errors.ts'
import { OpenAiError } from '../../../../src/http/openai/openai-errors.ts'
import type { ChunkStream } from '../../../../src/http/openai/chunk-writer.ts'
import type { JobEvent, Outcome } from '../../../../src/job.ts'

const envelope = { id: 'chatcmpl-j', object: 'chat.completion.chunk', created: 1, model: 'm' }

function writerOf(more: Partial<ChunkStream> = {}): ChunkWriter {
  return new ChunkWriter({
    kind: 'chat',
    envelope: { ...envelope, tier: undefined },
    isVerbatim: true,
    wantsUsage: false,
    errorOf: (error) =>
      error instanceof OpenAiError
        ? error.object
        : { message: 'm', type: 't', param: null, code: toGatewayError(error).code },
    ...more,
  })
}

let entries = 0
const text = (said: string): JobEvent => ({ kind: 'delta', id: `${(entries += 1)}-0`, text: said })
const chunks = (said: string, ...all: (object | string)[]): JobEvent => ({
  kind: 'delta',
  id: `${(entries += 1)}-0`,
  text: said,
  chunks: `[${all.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join(',')}]`,
})
const restart: JobEvent = { kind: 'restart', id: '5-0:restart' }
const done = (outcome: Outcome | null): JobEvent => ({
  kind: 'done',
  id: 'done',
  view: {
    id: 'j',
    status: outcome?.kind ?? 'succeeded',
    createdAt: 1,
    finishedAt: 2,
    outcome,
  },
})
const succeeded = (more: Partial<Extract<Outcome, { kind: 'succeeded' }>> = {}): JobEvent =>
  done({ kind: 'succeeded', content: '', ...more })
/** What was not streamed, as the event log takes it from the result. */
const rest = (said: string): JobEvent => ({ kind: 'delta', id: '0-1', text: said })
const restartOfContent: JobEvent = { kind: 'restart', id: '0-1:restart' }

interface Written {
  readonly choices?: readonly {
    readonly index: number
    readonly delta?: Record<string, unknown>
    readonly text?: string
    readonly finish_reason?: string | null
  }[]
  readonly usage?: unknown
  readonly error?: { readonly code: string }
}

/** What a client reads, event by event. Every comment is one line, and every event one line of data. */
function read(written: string): (Written | '[DONE]')[] {
  const events = written.replaceAll(/^: ping\n/gm, '').split('\n\n')
  expect(events.pop()).toBe('')
  return events.map((event) => {
    expect(event).toMatch(/^data: [^\n\r\u0085\u2028\u2029]+$/)
    const data = event.slice('data: '.length)
    return data === '[DONE]' ? data : (JSON.parse(data) as Written)
  })
}
const write = (events: readonly JobEvent[], more: Partial<ChunkStream> = {}) => {
  const writer = writerOf(more)
  return read(events.map((event) => writer.events([event])).join(''))
}

/** As a client puts the stream together, with the ends and the error. */
function heard(events: ReturnType<typeof read>) {
  let content = ''
  const roles: unknown[] = []
  const finishes: unknown[] = []
  for (const event of events) {
    if (event === '[DONE]') continue
    for (const { delta, text: piece, finish_reason: finish } of event.choices ?? []) {
      content += (delta?.content as string | null | undefined) ?? piece ?? ''
      if (delta?.role !== undefined) roles.push(delta.role)
      if (finish) finishes.push(finish)
    }
  }
  const last = events.at(-1)
  const end = last === '[DONE]' ? last : last?.error?.code
  return { content, roles, finishes, end }
}

const role = { choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] }
const say = (content: string) => ({
  choices: [{ index: 0, delta: { content }, finish_reason: null }],
})
const stop = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }
const usage = { choices: [], usage: { prompt_tokens: 1 } }
const call = { choices: [{ index: 0, delta: { tool_calls: [{ index: 0, id: 'c' }] } }] }

describe('a stream of text', () => {
  test('becomes a role, pieces of content, an end and [DONE]', () => {
    const base = { ...envelope }
    const choice = { index: 0, logprobs: null, finish_reason: null }
    expect(write([text('AI '), text('is'), succeeded({ content: 'AI is' })])).toEqual([
      { ...base, choices: [{ ...choice, delta: { role: 'assistant', content: '' } }] },
      { ...base, choices: [{ ...choice, delta: { content: 'AI ' } }] },
      { ...base, choices: [{ ...choice, delta: { content: 'is' } }] },
      { ...base, choices: [{ ...choice, delta: {}, finish_reason: 'stop' }] },
      '[DONE]',
    ])
  })

  test('of completions has texts and no role', () => {
    const found = write([text('AI'), succeeded({ content: 'AI', finishReason: 'length' })], {
      kind: 'completions',
    })
    expect(found).toMatchObject([
      { choices: [{ text: 'AI', finish_reason: null }] },
      { choices: [{ text: '', finish_reason: 'length' }] },
      '[DONE]',
    ])
    expect(heard(write([succeeded()], { kind: 'completions' }))).toMatchObject({
      finishes: ['stop'],
      end: '[DONE]',
    })
  })

  test('ends with what was not streamed, and with the usage where it was asked for and told', () => {
    const told = succeeded({ content: 'AI is', usage: { promptTokens: 1, completionTokens: 2 } })
    const found = write([text('AI'), rest(' is'), told], { wantsUsage: true })
    expect(heard(found)).toMatchObject({ content: 'AI is', finishes: ['stop'] })
    expect(found.at(-2)).toEqual({
      ...envelope,
      choices: [],
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
    })
    for (const events of [write([text('x'), succeeded({ content: 'x' })], { wantsUsage: true })]) {
      expect(events.some((event) => event !== '[DONE]' && 'usage' in event)).toBe(false)
    }
  })

  test('without any text has a role and an end', () => {
    expect(heard(write([succeeded()]))).toEqual({
      content: '',
      roles: ['assistant'],
      finishes: ['stop'],
      end: '[DONE]',
    })
  })

  test('is followed by the whole answer of an engine that did not stream', () => {
    const message = { role: 'assistant', content: 'x', tool_calls: [{ id: 'a' }, { id: 'b' }] }
    const body = JSON.stringify({
      choices: [{ index: 0, message, finish_reason: 'tool_calls' }],
      usage: { prompt_tokens: 1 },
    })
    const found = write([rest('x'), succeeded({ content: 'x', body })], { wantsUsage: true })
    const delta = {
      ...message,
      tool_calls: [
        { id: 'a', index: 0 },
        { id: 'b', index: 1 },
      ],
    }
    expect(found).toMatchObject([
      { choices: [{ index: 0, delta, finish_reason: null }] },
      { choices: [{ finish_reason: 'tool_calls' }] },
      { choices: [], usage: { prompt_tokens: 1 } },
      '[DONE]',
    ])
    const after = heard(write([text('x'), succeeded({ content: 'x', body })]))
    expect(after).toMatchObject({ content: 'x', roles: ['assistant'], finishes: ['tool_calls'] })
  })

  test('is not taken from chunks or a body that the route does not carry', () => {
    const found = write(
      [chunks('x', call), succeeded({ content: 'x', body: '{"choices":[{}]}' })],
      { isVerbatim: false },
    )
    expect(heard(found)).toMatchObject({ content: 'x', finishes: ['stop'], end: '[DONE]' })
  })
})

describe('a stream of chunks', () => {
  const writeSource = (source: string, more: Partial<ChunkStream> = {}) =>
    writerOf(more).events([chunks('', source)])

  test('is passed on as source text, but for id, created and model', () => {
    const chunk =
      '{"id":"x","created":9e9,"model":"y","choices":[{"index":0,"delta":{"role":"assistant"},"logprobs":{"a":1.0,"b":9007199254740993}}],"usage":null,"more":[-0,1e400]}'
    expect(writeSource(chunk)).toBe(
      'data: {"choices":[{"index":0,"delta":{"role":"assistant"},"logprobs":{"a":1.0,"b":9007199254740993}}],"usage":null,"more":[-0,1e400],' +
        '"id":"chatcmpl-j","object":"chat.completion.chunk","created":1,"model":"m"}\n\n',
    )
  })

  test('is one line for each chunk, however it was written', () => {
    const chunk = `{\r\n "choices" : [\n {"index":0,"delta":{"role":"assistant","content":"\u2028\u0085"}}]\n}`
    const [found] = read(writeSource(chunk))
    expect(found).toMatchObject({ choices: [{ delta: { content: '\u2028\u0085' } }] })
  })

  test('names the tier where one was asked for', () => {
    const found = writeSource(JSON.stringify(role), { envelope: { ...envelope, tier: 'flex' } })
    expect(read(found)).toMatchObject([{ service_tier: 'flex' }])
  })

  test('has both names of the reasoning', () => {
    const delta = { role: 'assistant', reasoning: 'r' }
    const found = read(writeSource(JSON.stringify({ choices: [{ index: 0, delta }] })))
    expect(found).toMatchObject([{ choices: [{ delta: { ...delta, reasoning_content: 'r' } }] }])
  })

  test('has the usage last, and only where it was asked for', () => {
    const events = [chunks('x', role, say('x'), usage), succeeded({ content: 'x' })]
    const asked = write(events, { wantsUsage: true })
    expect(asked.slice(-3)).toMatchObject([
      { choices: [{ finish_reason: 'stop' }] },
      { choices: [], usage: { prompt_tokens: 1 } },
      '[DONE]',
    ])
    expect(write(events).some((event) => event !== '[DONE]' && 'usage' in event)).toBe(false)
  })

  test('keeps a chunk without choices that is not the usage', () => {
    const filter = { choices: [], prompt_filter_results: [{ index: 0 }] }
    expect(write([chunks('', filter)])).toMatchObject([filter])
  })

  test('gets a role and an end where the engine’s are missing', () => {
    const body = JSON.stringify({ choices: [{ index: 0, finish_reason: 'content_filter' }] })
    const events = [chunks('x', say('x')), succeeded({ content: 'x', body })]
    expect(heard(write(events))).toEqual({
      content: 'x',
      roles: ['assistant'],
      finishes: ['content_filter'],
      end: '[DONE]',
    })
    expect(heard(write([chunks('', call), succeeded()])).finishes).toEqual(['tool_calls'])
  })

  test('ends each of several choices once', () => {
    const two = {
      choices: [
        { index: 0, delta: { role: 'assistant', content: 'a' } },
        { index: 1, delta: { role: 'assistant', content: 'b' }, finish_reason: 'length' },
      ],
    }
    const found = write([chunks('a', two), succeeded({ content: 'a' })])
    expect(heard(found).finishes).toEqual(['length', 'stop'])
  })

  test('goes before the text of its deltas and the content of the result', () => {
    for (const told of ['', 'other']) {
      const events = [chunks(told, role, say('x'), stop), rest('x'), succeeded({ content: 'x' })]
      expect(heard(write(events))).toMatchObject({ content: 'x', end: '[DONE]' })
      const without = [chunks(told, role, say('x')), restartOfContent, succeeded({ body: '{}' })]
      expect(heard(write(without))).toMatchObject({ content: 'x', end: '[DONE]' })
    }
  })

  test.each(['{', '5', '"x"', '{"a":1}'])('that is %s counts as none', (broken) => {
    const delta: JobEvent = { kind: 'delta', id: '1-0', text: 'x', chunks: broken }
    expect(heard(write([delta, succeeded({ content: 'x' })]))).toMatchObject({ content: 'x' })
  })

  test('skips an element that is no object', () => {
    expect(heard(write([chunks('x', '5', 'null', role, say('x'))])).content).toBe('x')
  })
})

describe('a worker that is replaced mid-stream', () => {
  const again = (...events: JobEvent[]) => heard(write(events))

  test('is continued where it repeats the text, also in other pieces', () => {
    const end = succeeded({ content: 'AI is it' })
    const expected = {
      content: 'AI is it',
      roles: ['assistant'],
      finishes: ['stop'],
      end: '[DONE]',
    }
    expect(again(text('AI '), text('is'), restart, text('A'), text('I is it'), end)).toEqual(
      expected,
    )
    expect(
      again(
        chunks('AI is', role, say('AI is')),
        restart,
        chunks('', role),
        chunks('AI', say('AI')),
        chunks(' is it', say(' is it'), stop),
        end,
      ),
    ).toEqual(expected)
    // The second one writes text alone, the third nothing but its result.
    const third = [restart, rest('AI is it'), end]
    expect(again(chunks('AI', role, say('AI')), restart, text('AI '), ...third)).toEqual(expected)
    expect(again(chunks('AI', role, say('AI')), restartOfContent, rest('AI is it'), end)).toEqual(
      expected,
    )
  })

  test('is continued where nothing but the role was said, or the end as well', () => {
    const end = succeeded({ content: 'x' })
    const one = [chunks('x', role, say('x'), stop)]
    expect(again(chunks('', role), restart, ...one, end)).toMatchObject({
      content: 'x',
      roles: ['assistant'],
      end: '[DONE]',
    })
    expect(again(...one, restart, ...one, end)).toMatchObject({
      content: 'x',
      finishes: ['stop'],
      end: '[DONE]',
    })
    const withRole = {
      choices: [{ index: 0, delta: { role: 'assistant', ...call.choices[0]?.delta } }],
    }
    expect(again(chunks('', role), restart, chunks('', withRole), succeeded())).toMatchObject({
      roles: ['assistant'],
      finishes: ['tool_calls'],
    })
  })

  test.each([
    ['another text', [text('AI'), restart, text('An')]],
    ['another text in chunks', [chunks('AI', role, say('AI')), restart, chunks('An', say('An'))]],
    ['a shorter text', [chunks('AI', say('AI')), restart, chunks('A', say('A'), stop)]],
    ['a tool call', [chunks('AI', say('AI')), restart, chunks('', call)]],
    ['anything, after a tool call', [chunks('', role, call), restart]],
    ['more, after the end', [chunks('A', say('A'), stop), restart, chunks('AI', say('AI'))]],
    ['another result', [text('AI'), restartOfContent, rest('An'), succeeded({ content: 'An' })]],
    ['another result, after chunks', [chunks('AI', say('AI')), succeeded({ content: 'An' })]],
  ])('and says %s ends the stream with worker_restarted', (_, events) => {
    const found = write([...events, text('more'), succeeded({ content: 'more' })])
    expect(heard(found).end).toBe('worker_restarted')
    expect(found.filter((event) => event !== '[DONE]' && event.error)).toHaveLength(1)
  })
})

describe('the end of a stream', () => {
  const failed: Outcome = { kind: 'failed', type: 't', message: 'm', status: 400, code: 'c' }
  test.each([
    [failed, 'c'],
    [{ kind: 'cancelled' } as const, 'job_cancelled'],
    [{ kind: 'expired' } as const, 'job_expired'],
    [null, 'bad_result'],
  ])('of %j is an error and no [DONE]', (outcome, code) => {
    expect(heard(write([text('x'), done(outcome)]))).toMatchObject({ content: 'x', end: code })
  })

  test('is told once where the stream breaks', () => {
    const writer = writerOf()
    const broken = writer.failure(new GatewayError('interrupted', 'stop'))
    expect(read(broken)).toEqual([
      { error: { message: 'm', type: 't', param: null, code: 'interrupted' } },
    ])
    expect(writer.failure(new Error('again')) + writer.events([text('x')])).toBe('')
  })

  test('is awaited with comments of one line, the first one at once', () => {
    const writer = writerOf()
    expect(writer.events([{ kind: 'status', status: 'queued' }])).toBe(': ping\n')
    expect(writer.ping()).toBe(': ping\n')
  })
})
