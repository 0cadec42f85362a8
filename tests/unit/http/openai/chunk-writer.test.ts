import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../../src/errors.ts'
import {
  call,
  chunks,
  done,
  envelope,
  heard,
  read,
  rest,
  restartOfContent,
  role,
  say,
  stop,
  succeeded,
  text,
  usage,
  write,
  writerOf,
} from '../../../support/chunk-stream.ts'
import type { ChunkStream } from '../../../../src/http/openai/chunk-writer.ts'
import type { JobEvent, Outcome } from '../../../../src/job.ts'

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

  test('comes with the last piece of a long text', () => {
    const events = [chunks('long '), chunks('text', role, say('long text'))]
    const end = [restartOfContent, rest('another'), succeeded({ content: 'another' })]
    expect(heard(write([...events, succeeded({ content: 'long text' })]))).toMatchObject({
      content: 'long text',
      end: '[DONE]',
    })
    expect(heard(write([...events, ...end])).end).toBe('worker_restarted')
  })

  test.each(['{', '5', '"x"', '{"a":1}'])('that is %s counts as none', (broken) => {
    const delta: JobEvent = { kind: 'delta', id: '1-0', text: 'x', chunks: broken }
    expect(heard(write([delta, succeeded({ content: 'x' })]))).toMatchObject({ content: 'x' })
  })

  test('skips an element that is no object', () => {
    expect(heard(write([chunks('x', '5', 'null', role, say('x'))])).content).toBe('x')
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

  test('is written once where the stream breaks', () => {
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
