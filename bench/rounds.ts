import { setTimeout as pause } from 'node:timers/promises'
import { targetOf } from './contenders.ts'
import { cpuSeconds, cpuSecondsOfTree } from './processor-time.ts'
import { median, orderOf, pairedRatio, quantile } from './stats.ts'
import type { Contender, ContenderName } from './contenders.ts'
import type { Load } from './load.ts'
import type { Stage } from './stage.ts'
import type { Quartiles } from './stats.ts'

/** One contender under one load for one round: milliseconds, right answers a second, processor time. */
export interface Sample {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly perSecond: number
  /** Microseconds of processor time for each right answer: of the process that answers, of Redis, of the broker. */
  readonly processUs: number
  /** Undefined where the server is no process of ours. */
  readonly redisUs: number | undefined
  readonly brokerUs: number | undefined
  readonly wrong: number
  /** Milliseconds by stage, from the gateway's own `server-timing`. */
  readonly stages: Readonly<Record<string, number>>
}

/** What can be compared between two contenders. */
export type Field = 'p50' | 'p95' | 'p99' | 'perSecond' | 'processUs' | 'redisUs' | 'brokerUs'

/** A contender under one load, with a sample of each round. */
export interface Row {
  readonly name: ContenderName
  readonly concurrency: number
  readonly samples: readonly Sample[]
}

/** A contender and its load; those that are compared stand beside each other in a heat. */
export type Entry = readonly [Contender, Omit<Load, 'url'>]

export type Heat = readonly Entry[]

/** All heats in each round, and all contenders of a heat one after another. */
export async function inRounds(
  stage: Stage,
  what: string,
  rounds: number,
  heats: readonly Heat[],
): Promise<Row[]> {
  const samples = new Map<Entry, Sample[]>(heats.flat().map((entry) => [entry, []]))
  for (let round = 0; round < rounds; round += 1) {
    stage.say(`${what}: round ${round + 1} of ${rounds}`)
    for (const entry of heats.flatMap((heat) => orderOf(heat, round))) {
      samples.get(entry)?.push(await sampleOf(stage, entry))
    }
  }
  return [...samples].map(([[{ name }, { concurrency }], ofEntry]) => ({
    name,
    concurrency,
    samples: ofEntry,
  }))
}

async function sampleOf(stage: Stage, [contender, load]: Entry): Promise<Sample> {
  const { pid, sender } = contender
  const before = processorTime(stage, pid)
  const measured = await sender.measure({ ...load, ...targetOf(contender) })
  // What a contender still has to do for its last answers is charged to it and not to the next.
  await pause(SETTLE_MS)
  const after = processorTime(stage, pid)
  const { latencies, right, wrong, perSecond, stages = {} } = measured
  const us = (from: number | undefined, to: number | undefined): number | undefined =>
    from === undefined || to === undefined ? undefined : ((to - from) / right) * 1e6
  return {
    p50: quantile(latencies, 0.5),
    p95: quantile(latencies, 0.95),
    p99: quantile(latencies, 0.99),
    perSecond,
    processUs: us(before.process, after.process) as number,
    redisUs: us(before.redis, after.redis),
    brokerUs: us(before.broker, after.broker),
    wrong,
    stages: Object.fromEntries(Object.entries(stages).map(([name, ms]) => [name, median(ms)])),
  }
}

const SETTLE_MS = 50

function processorTime({ services }: Stage, pid: number) {
  const [redis, broker] = [services.redis.pid, services.rabbitmq.pid]
  return {
    // A peer has workers of its own.
    process: cpuSecondsOfTree(pid),
    redis: redis === undefined ? undefined : cpuSeconds(redis),
    broker: broker === undefined ? undefined : cpuSecondsOfTree(broker),
  }
}

export function rowOf(rows: readonly Row[], name: ContenderName, concurrency: number): Row {
  const row = rows.find((one) => one.name === name && one.concurrency === concurrency)
  if (row === undefined) throw new Error(`${name} was not measured at ${concurrency} in flight`)
  return row
}

/** A field in all rounds; undefined where it could not be measured. */
export function valuesOf({ samples }: Row, field: Field): number[] | undefined {
  const values = samples.map((sample) => sample[field])
  return values.every((value) => value !== undefined) ? values : undefined
}

export const medianOf = (row: Row, field: Field): number | undefined => {
  const values = valuesOf(row, field)
  return values && median(values)
}

/** Row by base, both measured in the same rounds. */
export function ratioOf(row: Row, base: Row, field: Field): Quartiles | undefined {
  const [values, bases] = [valuesOf(row, field), valuesOf(base, field)]
  return values && bases && pairedRatio(values, bases)
}

export const wrongOf = (rows: readonly Row[]): number =>
  rows.flatMap(({ samples }) => samples).reduce((sum, { wrong }) => sum + wrong, 0)
