import { vi } from 'vitest'
import { protollmV1 } from '../../src/dialects/protollm-v1.ts'
import { PendingJob } from '../../src/gateway/pending-job.ts'
import { Link } from '../../src/link.ts'
import { jobKeysOf } from '../../src/redis/record/job-records.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import type { Dialect } from '../../src/dialect.ts'
import type { GatewayParts } from '../../src/gateway/gateway-parts.ts'
import type { ContentUse } from '../../src/gateway/job-content.ts'
import type { Held } from '../../src/gateway/claimed-run.ts'
import type { Job } from '../../src/job.ts'
import type { Confirmation } from '../../src/rabbitmq/broker.ts'
import type { OnHint } from '../../src/redis/push.ts'
import type { Claim } from '../../src/redis/record/claim.ts'
import type { JobRecord } from '../../src/redis/record/record.ts'
import type { ReadResult } from '../../src/redis/record/stored-job.ts'

export const job: Job = {
  id: 'j',
  owner: '',
  queue: 'q',
  messages: [],
  meta: { temperature: null, tokensLimit: null, stopWords: null, model: null },
  priority: null,
  source: 'local',
}

/** A claim of a free id, but for what is given. */
export const heldClaim = (more: Partial<Held> = {}): Held => ({
  verdict: 'new',
  run: 'r1',
  text: 'as written',
  sentAt: performance.now(),
  life: 7_200_000,
  isPublished: false,
  remainingMs: 3_600_000,
  ageMs: 0,
  isAnswered: false,
  isSure: true,
  isLost: false,
  createdAt: 1,
  finishedAt: null,
  at: performance.now(),
  renewedAt: performance.now(),
  isKept: false,
  ...more,
})

/** A result as the record and the keys tell of it. */
export const readOf = (value: string | null, more: Partial<ReadResult> = {}): ReadResult => ({
  values: [value],
  run: 'r1',
  isCancelled: false,
  record: 'untouched',
  ...more,
})

/** The record of a job that has succeeded. */
export const doneRecord = (finished: number): JobRecord => ({
  v: 1,
  run: 'r1',
  fingerprint: 'f',
  owner: '',
  holder: 'a-1',
  created: 1,
  life: 7_200_000,
  keep: 3_600_000,
  state: 'done',
  outcome: 'succeeded',
  finished,
})

export const OPEN = readOf(null)
export const DONE = readOf('{"content":"x"}')

/**
 * One pending job with no server around it. The test says what the record replies, what is
 * read, and what the broker answers.
 */
export function coreScene(more: { readonly dialect?: Partial<Dialect> } = {}) {
  const claims: Partial<Claim>[] = []
  const reads: (ReadResult | Error)[] = []
  const publishes: { confirm: (answer: Confirmation) => void; refuse: (error: Error) => void }[] =
    []
  let hint: OnHint = () => {}
  const watch = { armed: Promise.resolve(), end: vi.fn<() => void>() }
  const link = new Link()
  link.up()
  const records = {
    keysOf: (wireId: string) => jobKeysOf([`p:${wireId}`]),
    claim: vi.fn<GatewayParts['records']['claim']>(async () => heldClaim(claims.shift())),
    read: vi.fn<GatewayParts['records']['read']>(async () => {
      const next = reads.length > 1 ? reads.shift() : reads[0]
      if (next instanceof Error) throw next
      return next ?? OPEN
    }),
    settle: vi.fn<GatewayParts['records']['settle']>(async () => {}),
    finish: vi.fn<GatewayParts['records']['finish']>(async () => 2),
    markPublished: vi.fn<GatewayParts['records']['markPublished']>(async () => {}),
    canNeverSucceed: () => false,
    renew: vi.fn<GatewayParts['records']['renew']>(async () => {}),
    release: vi.fn<GatewayParts['records']['release']>(async () => true),
    end: vi.fn<GatewayParts['records']['end']>(async () => 'cancelled'),
    dropForeign: vi.fn<GatewayParts['records']['dropForeign']>(async () => {}),
    view: vi.fn<GatewayParts['records']['view']>(async () => undefined),
  }
  const broker = {
    link,
    isBlocked: false,
    workersOf: () => 1,
    hasWorkers: vi.fn<(queue: string) => Promise<boolean>>(async () => true),
    publish: vi.fn<GatewayParts['broker']['publish']>(
      () =>
        new Promise((confirm, refuse) => {
          publishes.push({ confirm, refuse })
        }),
    ),
  }
  const metrics = createMetrics()
  const parts = {
    dialect: { ...protollmV1.create({ REDIS_PREFIX: 'p' }), ...more.dialect },
    records: records as unknown as GatewayParts['records'],
    push: {
      watch: (_: readonly string[], onHint: OnHint) => {
        hint = onHint
        return watch
      },
    },
    broker,
    kept: {
      put: async () => {},
      get: async () => undefined,
      remove: async () => {},
      removeJob: async () => true,
    },
    deltas: { after: async () => ({ deltas: [], hasMore: false }), isTrimmed: async () => false },
    announceCancel: vi.fn<GatewayParts['announceCancel']>(),
    resultLinks: [link],
    timeoutMs: 300_000,
    jobTtlMs: 3_600_000,
    resultTtlMs: 3_600_000,
    leaveGraceMs: 0,
    requireWorkers: false,
    maxPending: 10,
    log: createLog('silent'),
    metrics,
  } satisfies GatewayParts
  const onEnd = vi.fn<(pending: PendingJob) => void>()
  /** Begins the job, with one request that waits for it. */
  const begin = (
    overrides: Partial<GatewayParts> = {},
    graceMs = 0,
    content?: ContentUse,
  ): PendingJob => {
    const keys = records.keysOf('j')
    const claimant = { job, keys, wireId: 'j', fingerprint: 'f', asker: 'a-1' }
    const pending = new PendingJob(
      claimant,
      { mode: 'wait', graceMs: () => graceMs, onEnd, content },
      { ...parts, ...overrides },
    )
    pending.join()
    return pending
  }
  return {
    claims,
    reads,
    publishes,
    records,
    broker,
    link,
    watch,
    parts,
    metrics,
    onEnd,
    begin,
    hint: (source: 'notification' | 'reconcile' = 'notification') => hint(source),
  }
}

/** Lets everything happen that waits for no timer and no server. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
