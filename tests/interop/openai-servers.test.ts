import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { post } from '../support/http-client.ts'
import { ask, job } from '../support/upstream.ts'
import { startOpenaiServer } from './support/openai-server.ts'
import { environmentOf, isMissing, whyMissing } from './support/environment.ts'
import type { Job, Outcome } from '../../src/job.ts'

const saying = (content: string): Job => ({
  ...job,
  messages: [{ role: 'user', content }],
  meta: { temperature: undefined, tokensLimit: undefined, stopWords: null, model: 'gpt-4o' },
})

const litellm = environmentOf('litellm-1')

describe.skipIf(isMissing(litellm))(`the proxy of LiteLLM${whyMissing(litellm)}`, () => {
  const config = fileURLToPath(new URL('servers/litellm.yaml', import.meta.url))

  test('its streams are answers, and its errors keep their words', async () => {
    const server = await startOpenaiServer(litellm, {
      name: 'LiteLLM proxy',
      args: ['litellm', '--config', config],
      health: '/health/liveliness',
      env: {
        LITELLM_LOCAL_MODEL_COST_MAP: 'True',
        LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY: 'true',
      },
    })
    const asked = async (model: string) =>
      ask(server.url, { model, apiKey: 'sk-1234' }, AbortSignal.timeout(60_000), {
        ...saying('hi'),
        meta: { ...saying('hi').meta, model },
      })
    const { outcome, deltas } = await asked('mock')
    expect(outcome).toMatchObject({
      kind: 'succeeded',
      content: 'Hello from the mock: «ИИ» 🙂.',
      finishReason: 'stop',
    })
    expect(deltas.length).toBeGreaterThan(1)
    expect(deltas.join('')).toBe('Hello from the mock: «ИИ» 🙂.')
    const absent = await asked('absent')
    expect(absent.outcome).toMatchObject({ kind: 'failed', type: 'upstream_400' })
    expect(JSON.stringify(absent.outcome)).toContain('Invalid model name')
    const limited = await asked('limited')
    expect(limited.outcome).toMatchObject({ kind: 'failed', type: 'upstream_429' })
    const others = await Promise.all(Array.from({ length: 20 }, () => asked('mock')))
    expect(others.map((other) => other.outcome.kind)).toEqual(others.map(() => 'succeeded'))
    server.count([
      outcome,
      absent.outcome,
      limited.outcome,
      ...others.map((other) => other.outcome),
    ])
  })
})

const llmock = environmentOf('llmock-0.2')

describe.skipIf(isMissing(llmock))(`LLMock, which breaks its answers${whyMissing(llmock)}`, () => {
  const start = () =>
    startOpenaiServer(llmock, {
      name: 'LLMock',
      args: ['llmock', 'serve', '--response-style', 'echo'],
      health: '/health',
    })

  test('finds no fault in how the engine takes what it does', async () => {
    const server = await start()
    const outcomes: Outcome[] = []
    const during = async (behaviors: readonly object[], text: string): Promise<Outcome> => {
      const set = await post(server.url, '/_llmock/scenario', { behaviors })
      expect(set.status).toBeLessThan(300)
      const { outcome } = await ask(server.url, {}, AbortSignal.timeout(30_000), saying(text))
      outcomes.push(outcome)
      return outcome
    }
    const fault = (kind: string) => ({ type: 'stream_fault', kind, after_chunks: 2 })
    const good = { kind: 'succeeded', finishReason: 'stop' }
    const broken = { kind: 'failed', type: 'upstream_error' }
    expect(await during([{ type: 'delay', seconds: 0.5 }], 'first «ИИ» 🙂')).toMatchObject({
      ...good,
      content: expect.stringContaining('first «ИИ» 🙂') as string,
      usage: { promptTokens: expect.any(Number) as number },
    })
    const limit = { type: 'fail', status: 429, retry_after: 1, times: 2 }
    expect(await during([limit], 'limited')).toMatchObject(good)
    expect(await during([{ type: 'fail', status: 503, times: 2 }], 'busy')).toMatchObject(good)
    expect(await during([{ type: 'slow_first_token', seconds: 2 }], 'slow')).toMatchObject(good)
    expect(await during([fault('disconnect')], 'cut')).toMatchObject(broken)
    expect(await during([fault('malformed')], 'odd')).toMatchObject(broken)
    expect(await during([{ type: 'fail', status: 401 }], 'key')).toMatchObject({
      type: 'upstream_401',
    })
    const verdict = await fetch(`${server.url}/_llmock/verdict`)
    expect(await verdict.json()).toMatchObject({ errors: 0, calls: outcomes.length })
    // After the verdict: to the server, a client that does not ask again has taken half for the whole.
    expect(await during([fault('truncate')], 'half')).toMatchObject(broken)
    server.count(outcomes)
  })

  test('is asked at the path of each provider, and answers in its form', async () => {
    const server = await start()
    const paths = [
      '',
      '/v1',
      '/mistral/v1',
      '/groq/openai/v1',
      '/together/v1',
      '/perplexity/v1',
      '/xai/v1',
    ]
    const asked = paths.map((path) => ask(server.url + path, {}, undefined, saying('in its form')))
    const outcomes = (await Promise.all(asked)).map(({ outcome }) => outcome)
    expect(outcomes.map(({ kind }) => kind)).toEqual(paths.map(() => 'succeeded'))
    server.count(outcomes)
  })
})
