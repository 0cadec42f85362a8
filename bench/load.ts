import { setTimeout as pause } from 'node:timers/promises'

/** What a sender of requests has to do. */
export interface Load {
  readonly url?: string
  /** Of each request, beside the usual ones. */
  readonly headers?: Readonly<Record<string, string>>
  /** So many requests at once, each after the answer to its last: a closed loop. 0 for an open loop. */
  readonly concurrency: number
  readonly ms: number
  /** Requests a second of an open loop. */
  readonly ratePerS?: number
  readonly prompt?: string
  /** Connections to open with a request each, which are answered only when the worker releases them. */
  readonly hold?: number
}

export interface Measured {
  /** Milliseconds of every answer without the worker's own, sorted. */
  readonly latencies: readonly number[]
  /** Right answers, and those that were not the echo of their prompt. */
  readonly right: number
  readonly wrong: number
  /** Right answers a second. */
  readonly perSecond: number
  /** Milliseconds by the `server-timing` of the answers. */
  readonly stages?: Readonly<Record<string, readonly number[]>>
}

/** Sends one prompt. Resolves with the worker's own milliseconds if the answer was right, else with undefined. */
export type Send = (content: string) => Promise<number | undefined>

let sent = 0

export async function measure(load: Load, send: Send): Promise<Measured> {
  const latencies: number[] = []
  let wrong = 0
  const one = async (from: number): Promise<void> => {
    sent += 1
    const workMs = await send(`${load.prompt ?? 'prompt'} ${sent}`)
    if (workMs === undefined) wrong += 1
    latencies.push(performance.now() - from - (workMs ?? 0))
  }
  const started = performance.now()
  if (load.ratePerS === undefined) await closedLoop(load, one)
  else await openLoop(load.ms, load.ratePerS, one)
  const seconds = (performance.now() - started) / 1000
  const right = latencies.length - wrong
  const sorted = latencies.toSorted((a, b) => a - b)
  return { latencies: sorted, right, wrong, perSecond: right / seconds }
}

type One = (from: number) => Promise<void>

/** Each of them sends once at least. */
async function closedLoop({ concurrency, ms }: Load, one: One): Promise<void> {
  const until = performance.now() + ms
  const loop = async (): Promise<void> => {
    do await one(performance.now())
    while (performance.now() < until)
  }
  await Promise.all(Array.from({ length: concurrency }, loop))
}

/**
 * Each request counts from the moment it was due, so that a server that stalls
 * is charged for every request that would have come meanwhile.
 */
async function openLoop(ms: number, ratePerS: number, one: One): Promise<void> {
  const pending: Promise<void>[] = []
  const started = performance.now()
  for (let due = started; due < started + ms; due += 1000 / ratePerS) {
    const early = due - performance.now()
    if (early > 0) await pause(early)
    pending.push(one(due))
  }
  await Promise.all(pending)
}

/** The worker's own milliseconds, if this answer is the echo of that prompt. */
export function workOf(answer: string, content: string): number | undefined {
  const start = `echo: ${content} in `
  const at = answer.indexOf(start)
  return at < 0 ? undefined : Number.parseFloat(answer.slice(at + start.length))
}
