import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { answerRequest } from './echo/echo-request.ts'
import { paced, wordsOf } from './echo/pace.ts'
import type { Job, Outcome } from '../../src/job.ts'
import type { Engine, OnDelta } from '../engine.ts'

export interface EchoOptions {
  readonly delayMs: number
  /** How fast it "generates"; 0 is at once. A token is a word here. */
  readonly tokensPerS: number
  /** Share of jobs that fail, 0 to 1; which ones depends on their ids alone. */
  readonly failureRate: number
}

const FAILURE: Outcome = {
  kind: 'failed',
  type: 'EchoError',
  message: 'the echo engine was told to fail',
}

/** Answers with the last message: the same job always has the same outcome. */
export function echoEngine({ delayMs, tokensPerS, failureRate }: EchoOptions): Engine {
  return {
    async run(job: Job, signal: AbortSignal, onDelta: OnDelta): Promise<Outcome> {
      if (delayMs > 0) await delay(delayMs, undefined, { signal })
      const failure = shareOf(job.id) < failureRate ? FAILURE : undefined
      const pace = { tokensPerS, signal }
      if (job.request) return answerRequest(job.request, job.id, { ...pace, onDelta, failure })
      const content = `echo: ${job.messages.at(-1)?.content ?? ''}`
      const words = wordsOf(content)
      if (tokensPerS > 0) await paced(words.length, pace, (at) => onDelta(words[at] as string))
      return failure ?? { kind: 'succeeded', content, finishReason: 'stop', model: 'echo' }
    },
  }
}

/** A number from 0 to 1 that looks random and is not. */
function shareOf(id: string): number {
  return createHash('sha256').update(id).digest().readUInt32BE() / 2 ** 32
}
