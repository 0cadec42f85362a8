import { randomUUID } from 'node:crypto'
import type { JobRecords } from './record/job-records.ts'

/** The record of the trial goes by itself if the release does not come. */
const LIFE_MS = 10_000

/**
 * Does to a record of its own what the gateway does to a job's: claims it, reads it, releases
 * it. Rejects as these do where Redis takes no writes, is part of a cluster, or denies a right.
 */
export async function tryRecord(
  records: Pick<JobRecords, 'keysOf' | 'claim' | 'read' | 'release'>,
  wireId: string,
): Promise<void> {
  const keys = records.keysOf(wireId)
  const run = randomUUID()
  const asker = wireId
  const claim = await records.claim({
    keys,
    run,
    asker,
    fingerprint: '',
    owner: '',
    keepMs: LIFE_MS,
    jobTtlMs: LIFE_MS,
    graceMs: 0,
    isDerived: false,
    prepared: [],
  })
  await records.read(keys, claim)
  await records.release(keys, { run: claim.run, asker, prepared: [] })
}
