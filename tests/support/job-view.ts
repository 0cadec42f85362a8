import { WireFormatError } from '../../src/errors.ts'
import { lookAtJob } from '../../src/gateway/job-view.ts'
import { coreScene } from './core.ts'
import type { Standing } from '../../src/dialect.ts'
import type { StoredJob } from '../../src/redis/record/stored-job.ts'
import type { JobRecord } from '../../src/redis/record/record.ts'

export const KEEP_MS = 20_000
export const LIFE_MS = 60_000

/** What a value says, in a wire format of the test's own. */
const SAYS: Readonly<Record<string, Standing>> = {
  running: 'running',
  answer: { outcome: { kind: 'succeeded', content: 'x' } },
  'our answer': { outcome: { kind: 'succeeded', content: 'x' }, run: 'r1' },
  'their answer': { outcome: { kind: 'succeeded', content: 'y' }, run: 'r0' },
  failure: { outcome: { kind: 'failed', type: 'E', message: 'm' } },
  cancelled: { outcome: { kind: 'cancelled' } },
}

function decodeResult([value]: readonly (string | null)[]): Standing {
  if (value === null || value === undefined) return 'queued'
  const standing = SAYS[value]
  if (standing === undefined) throw new WireFormatError('not of its form')
  return standing
}

export const CLAIMED: Partial<JobRecord> = {}
export const PUBLISHED: Partial<JobRecord> = { state: 'published' }
export const CANCELLED: Partial<JobRecord> = {
  state: 'cancelled',
  outcome: 'cancelled',
  finished: 7,
}
export const done = (outcome: string): Partial<JobRecord> => ({
  state: 'done',
  outcome,
  finished: 7,
})

/** A job as the record and the result keys say. */
export function stored(
  value: string | null,
  record: Partial<JobRecord> = CLAIMED,
  more: Partial<Omit<StoredJob, 'record' | 'values'>> = {},
): StoredJob {
  const who = { run: 'r1', fingerprint: 'f', owner: '', holder: 'a-1' }
  return {
    record: { v: 1, ...who, created: 5, life: LIFE_MS, keep: KEEP_MS, ...record },
    remainingMs: 30_000,
    isSure: true,
    wasInFlight: record.state === undefined || record.state === 'published',
    hasDeltas: false,
    values: [value],
    ...more,
  }
}

/** Looks are answered in this order; the last one again and again. */
export function viewScene(...looks: (StoredJob | undefined)[]) {
  const { records, parts } = coreScene({ dialect: { decodeResult } })
  for (const look of looks) records.view.mockResolvedValueOnce(look)
  records.view.mockResolvedValue(looks.at(-1))
  const name = { id: 'j', owner: '' }
  return { records, parts, name, look: () => lookAtJob(parts, name) }
}
