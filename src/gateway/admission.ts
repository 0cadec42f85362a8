import { GatewayError } from '../errors.ts'
import type { Link } from '../link.ts'

/** A request passes over a link's blip of this length; in an outage it is refused at once. */
export const BLIP_MS = 1_000

/** Rejects with `results_down` where no result would reach us. */
export async function admitResults(links: readonly Link[]): Promise<void> {
  for (const link of links) {
    if (!link.ready && !(await link.recovered(BLIP_MS))) {
      throw new GatewayError('results_down', 'results cannot be received now')
    }
  }
}
