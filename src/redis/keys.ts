/**
 * The keys we hang on a job's result key. The braces put them into the result's
 * own slot, so that one script may touch them together, on a cluster too.
 */
export const claimKey = (resultKey: string): string => `{${resultKey}}:claim`
export const cancelKey = (resultKey: string): string => `{${resultKey}}:cancel`
export const deltasKey = (resultKey: string): string => `{${resultKey}}:deltas`

/** Keys and channels of the gateway itself. No job id has an `@`, so none can name one of these. */
export const probeKey = (prefix: string, instance: string): string => `${prefix}:@probe:${instance}`
export const repairedChannel = (prefix: string): string => `${prefix}:@push-repaired`
/** A sorted set of the jobs whose results may be left without a time to live, by when that should be looked at. */
export const pendingKey = (prefix: string): string => `${prefix}:@pending`
