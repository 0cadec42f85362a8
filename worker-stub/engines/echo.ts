import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Job, Outcome } from '../../src/job.ts'
import type { Engine, OnDelta } from '../engine.ts'

/** So far apart it looks at the clock at least: at 10,000 words a second, not one timer for each. */
const TICK_MS = 5

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
    async run(job: Job, signal: AbortSignal, onDelta: OnDelta): Promise<Outcome> {
      const content = `echo: ${job.messages.at(-1)?.content ?? ''}`
      if (delayMs > 0) await delay(delayMs, undefined, { signal })
      if (tokensPerS > 0) await generate(content, tokensPerS, signal, onDelta)
      if (shareOf(job.id) < failureRate) {
        return { kind: 'failed', type: 'EchoError', message: 'the echo engine was told to fail' }
      }
      return { kind: 'succeeded', content, finishReason: 'stop', model: 'echo' }
    },
  }
}

/** Word by word, each with the space behind it, by the clock: a timer that was late is caught up with. */
async function generate(
  content: string,
  tokensPerS: number,
  signal: AbortSignal,
  onDelta: OnDelta,
): Promise<void> {
  const words = content.match(/\S+\s*/g) ?? []
  const msPerWord = 1000 / tokensPerS
  const start = performance.now()
  for (let said = 0; said < words.length;) {
    const elapsed = performance.now() - start
    const due = Math.min(words.length, Math.floor(elapsed / msPerWord))
    for (; said < due; said += 1) onDelta(words[said] as string)
    const next = Math.max((said + 1) * msPerWord, elapsed + TICK_MS)
    const last = words.length * msPerWord
    if (said < words.length) await delay(Math.min(next, last) - elapsed, undefined, { signal })
  }
}

/** A number from 0 to 1 that looks random and is not. */
function shareOf(id: string): number {
  return createHash('sha256').update(id).digest().readUInt32BE() / 2 ** 32
}
