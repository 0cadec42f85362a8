import { errorFields } from '../telemetry/log.ts'
import { insist } from './insist.ts'
import type { HintSource } from '../redis/push.ts'
import type { Claimant, Held } from './claimed-run.ts'
import type { GatewayParts } from './gateway-parts.ts'

type MarkParts = Pick<GatewayParts, 'records' | 'log'>

/**
 * Tells other replicas that the broker has the job. `isKept`: a client was promised that it
 * runs on. No answer waits for it: without the mark, another replica publishes the job once more.
 */
export function markRun(
  { records, log }: MarkParts,
  { keys }: Claimant,
  run: string,
  isKept: boolean,
): void {
  const marking = insist(records, () => records.markPublished(keys, run, isKept))
  marking.catch((error: unknown) => log.warn(errorFields(error), 'claim.mark_failed'))
}

/** Tells other replicas that clients still wait here, so that no client's leaving there cancels the job. */
export function renewAsker(
  { records, log }: MarkParts,
  { keys, asker }: Claimant,
  run: string,
): void {
  const renewing = records.renew(keys, run, asker)
  renewing.catch((error: unknown) => log.warn(errorFields(error), 'claim.renew_failed'))
}

/** Redis may have been away for longer than an asker counts: then the record must hear of ours at once. */
export const renewedSoon = (claim: Held, source: HintSource): Held =>
  source === 'reconcile' ? { ...claim, renewedAt: 0 } : claim
