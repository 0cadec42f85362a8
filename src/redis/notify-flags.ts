/**
 * The setting `notify-keyspace-events` as a set of classes of events.
 * https://redis.io/docs/latest/develop/pubsub/keyspace-notifications/
 */

/** Channel per key, string commands, generic commands (RENAME, COPY, RESTORE), streams. */
const NEEDED = ['K', '$', 'g', 't'] as const
/** Without these no write of a worker is announced; the others are for rarer writes. */
const INDISPENSABLE = ['K', '$']
/** What `A` stands for, as far as we care. */
const IN_ALL = ['g', '$', 't']

/** The needed classes that are off. */
export function missingFlags(flags: string): string[] {
  const all = flags.includes('A')
  return NEEDED.filter((flag) => !flags.includes(flag) && !(all && IN_ALL.includes(flag)))
}

/** Whether a plain SET is announced on the channel of its key. */
export function isAnnounced(flags: string): boolean {
  return !missingFlags(flags).some((flag) => INDISPENSABLE.includes(flag))
}

/**
 * With what we need added and nothing taken away: other programs have their own
 * needs. Redis does not tell `n` and shows `A` for several, so what it reported
 * is kept letter by letter.
 */
export function mergedFlags(flags: string): string {
  return flags + missingFlags(flags).join('')
}
