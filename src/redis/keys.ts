/** Keys and channels of the gateway itself. No job id has an `@`, so none can name one of these. */
export const probeKey = (prefix: string, instance: string): string => `${prefix}:@probe:${instance}`
export const repairedChannel = (prefix: string): string => `${prefix}:@push-repaired`
/** Exists while a replica looks for results without a time to live, and until the next look is due. */
export const sweepKey = (prefix: string): string => `${prefix}:@sweep`
/** A hash with one field for each worker that announces itself, and the channel on which it does. */
export const workersKey = (prefix: string): string => `${prefix}:@workers`
/** A hash with one field for each model of the last 24 hours, which the gateways keep. */
export const modelsKey = (prefix: string): string => `${prefix}:@models`
/** The job of a request that got no outcome, by a hash of the request. */
export const unansweredKey = (prefix: string, request: string): string =>
  `${prefix}:@unanswered:${request}`
/** A sorted set of such hashes by when their time is over, and the channel on which replicas announce them. */
export const unansweredNames = (prefix: string): string => `${prefix}:@unanswered`
/** The responses that run in the background: a sorted set of their ids by when their time is over, in ms since 1970. */
export const backgroundKey = (prefix: string): string => `${prefix}:@background`
