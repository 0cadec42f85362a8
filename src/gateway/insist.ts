import { RENEW_MS } from './job-state.ts'
import type { GatewayParts } from './gateway-parts.ts'

const AGAIN_AFTER_MS = 1_000

/**
 * Does what must not be lost over a short outage of Redis: tries again each second, for as long as
 * an asker counts. Rejects with the last error, or with a refusal that stays the same.
 */
export async function insist<T>(
  records: Pick<GatewayParts['records'], 'canNeverSucceed'>,
  work: () => Promise<T>,
): Promise<T> {
  const giveUpAt = performance.now() + 3 * RENEW_MS
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (performance.now() >= giveUpAt || records.canNeverSucceed(error)) throw error
      await new Promise((resolve) => void setTimeout(resolve, AGAIN_AFTER_MS).unref())
    }
  }
}
