import { setTimeout as delay } from 'node:timers/promises'

/** What the client is told to do, by a message from its parent. */
export interface Load {
  readonly url?: string
  readonly concurrency: number
  readonly ms: number
  /** Open loop at this rate; closed loop without it. */
  readonly ratePerS?: number
  readonly prompt?: string
  /** Connections to have open with a request each, until they are answered. */
  readonly hold?: number
}

export interface Measured {
  /** Milliseconds without the worker's own, sorted. */
  readonly latencies: readonly number[]
  readonly perSecond: number
  /** Answers that were not the echo of their prompt. */
  readonly wrong: number
}

/** Sends one prompt; resolves with the worker's own milliseconds if its answer was right, else with undefined. */
export type Send = (content: string) => Promise<number | undefined>

let sent = 0

/** Closed loop: so many at once, each after its last, and once at least. Open loop: at fixed moments, and late is late. */
export async function measure(load: Load, sender: (index: number) => Send): Promise<Measured> {
  const latencies: number[] = []
  let wrong = 0
  const started = performance.now()
  const until = started + load.ms
  const one = async (send: Send, from: number): Promise<void> => {
    sent += 1
    const workMs = await send(`${load.prompt ?? 'prompt'} ${sent}`)
    if (workMs === undefined) wrong += 1
    latencies.push(performance.now() - from - (workMs ?? 0))
  }
  if (load.ratePerS === undefined) {
    const loop = async (_: unknown, index: number): Promise<void> => {
      const send = sender(index)
      do await one(send, performance.now())
      while (performance.now() < until)
    }
    await Promise.all(Array.from({ length: load.concurrency }, loop))
  } else {
    // From the moment it was due: a server that stalls is charged for everybody who would have come.
    const pending: Promise<void>[] = []
    for (let due = started; due < until; due += 1000 / load.ratePerS) {
      const early = due - performance.now()
      if (early > 0) await delay(early)
      pending.push(one(sender(pending.length), due))
    }
    await Promise.all(pending)
  }
  const seconds = (performance.now() - started) / 1000
  return {
    latencies: latencies.toSorted((a, b) => a - b),
    perSecond: latencies.length / seconds,
    wrong,
  }
}

export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  return percentile(
    values.toSorted((a, b) => a - b),
    0.5,
  )
}

/** What the worker took, if this is the echo of that prompt. */
export function workOf(answer: string, content: string): number | undefined {
  const start = `echo: ${content} in `
  const at = answer.indexOf(start)
  return at < 0 ? undefined : Number.parseFloat(answer.slice(at + start.length))
}
