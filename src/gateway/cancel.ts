import type { JobKeys } from '../redis/record/record.ts'
import type { EndReply } from '../redis/record/end.ts'
import type { GatewayParts } from './gateway-parts.ts'

type CancelParts = Pick<GatewayParts, 'dialect' | 'records' | 'announceCancel' | 'log' | 'metrics'>

export interface CancelledRun {
  readonly keys: JobKeys
  readonly jobId: string
  readonly wireId: string
  readonly run: string
  /** The pending job whose clients have all left. Absent: the job ends, although requests wait for it. */
  readonly leaving?: { readonly asker: string; readonly isSure: boolean }
}

/** Ends a run as cancelled, on every replica and for its worker. The one place that does so. */
export async function cancelRun(parts: CancelParts, cancelled: CancelledRun): Promise<EndReply> {
  const { dialect, records, announceCancel, log, metrics } = parts
  const { keys, jobId, wireId, run, leaving } = cancelled
  const of = { wireId, run, now: new Date() }
  const values = dialect.encodeOutcome({ kind: 'cancelled' }, of)
  const result = await records.end(keys, run, values, leaving)
  if (result === 'cancelled') {
    announceCancel(of)
    metrics.claims.inc({ result })
    log.info({ job: jobId }, 'job.cancelled')
  }
  return result
}
