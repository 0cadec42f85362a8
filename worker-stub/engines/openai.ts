import { carry, failureOf } from './carried.ts'
import { Completion } from './completion.ts'
import { addressForPeople } from './upstream/address.ts'
import { UpstreamFailure } from './upstream/failure.ts'
import { isReachable } from './upstream/probe.ts'
import { callUpstream } from './upstream/upstream.ts'
import type { Job, Outcome } from '../../src/job.ts'
import type { Engine, OnDelta } from '../engine.ts'
import type { UpstreamOptions } from './upstream/upstream.ts'

export { baseUrl } from './upstream/address.ts'

export interface OpenaiOptions extends UpstreamOptions {
  /** For jobs that name no model; some servers insist on one. */
  readonly model?: string
  /** For jobs that leave it open. */
  readonly temperature?: number
  /** For jobs that leave it open. */
  readonly maxTokens?: number
}

/** Of a job whose message does not say how long it lives. */
const LIFE_MS = 3_600_000

/**
 * Forwards to an OpenAI-compatible server, and its deltas as they come. When it is
 * aborted it closes the connection, by which such a server knows to stop.
 */
export function openaiEngine(options: OpenaiOptions): Engine {
  return {
    server: {
      address: addressForPeople(options.url),
      isReachable: (signal) => isReachable(options.url, signal),
    },
    async run(job: Job, signal: AbortSignal, onDelta: OnDelta): Promise<Outcome> {
      const { request, ttlMs: lifeMs = LIFE_MS } = job
      try {
        if (request !== undefined) return await carry(request, options, { signal, lifeMs, onDelta })
        const call = { path: '/chat/completions', body: bodyOf(job, options), signal, lifeMs }
        const completion = new Completion(onDelta)
        const answer = await callUpstream(options, call)
        if (answer.kind === 'whole') return completion.add(answer.body.json).outcome()
        for await (const { json } of answer.chunks) completion.add(json)
        return completion.outcome()
      } catch (error) {
        if (signal.aborted || !(error instanceof UpstreamFailure)) throw error
        const { type, message } = error
        return request === undefined ? { kind: 'failed', type, message } : failureOf(error)
      }
    },
  }
}

/** What neither the job nor a setting asks for is left to the server. */
function bodyOf({ messages, meta }: Job, options: OpenaiOptions): string {
  const { temperature, tokensLimit, stopWords, model } = meta
  const asked = {
    model: model ?? options.model,
    temperature: temperature ?? options.temperature,
    max_tokens: tokensLimit ?? options.maxTokens,
    stop: stopWords && stopWords.length > 0 ? stopWords : undefined,
  }
  const given = Object.entries(asked).filter(([, value]) => value !== undefined)
  const stream = { stream: true, stream_options: { include_usage: true } }
  return JSON.stringify({ ...Object.fromEntries(given), messages, ...stream })
}
