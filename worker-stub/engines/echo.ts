import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Job, Outcome } from '../../src/job.ts'
import type { Engine } from '../engine.ts'

export interface EchoOptions {
  readonly delayMs: number
  /** How fast it "generates"; 0 is at once. A token is a word here. */
  readonly tokensPerS: number
  /** Share of jobs that fail, 0 to 1; which ones depends on their ids alone. */
  readonly failureRate: number
}

/** Answers with the last message: the same job always has the same outcome. */
export function echoEngine({ delayMs, tokensPerS, failureRate }: EchoOptions): Engine {
  return {
    async run(job: Job, signal: AbortSignal): Promise<Outcome> {
      const content = `echo: ${job.messages.at(-1)?.content ?? ''}`
      const ms = delayMs + (tokensPerS > 0 ? (tokensIn(content) / tokensPerS) * 1000 : 0)
      if (ms > 0) await delay(ms, undefined, { signal })
      if (shareOf(job.id) < failureRate) {
        return { kind: 'failed', type: 'EchoError', message: 'the echo engine was told to fail' }
      }
      return { kind: 'succeeded', content, finishReason: 'stop', model: 'echo' }
    },
  }
}

function tokensIn(text: string): number {
  return text.split(/\s+/).filter(Boolean).length
}

/** A number from 0 to 1 that looks random and is not. */
function shareOf(id: string): number {
  return createHash('sha256').update(id).digest().readUInt32BE() / 2 ** 32
}
