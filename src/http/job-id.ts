import { createHash, randomUUID } from 'node:crypto'
import { OWNER, RESPONSE_PREFIX } from '../job.ts'

/** No characters with a meaning in a key or a URL, and neither `.` nor `..`, which a path would swallow. */
export const JOB_ID = /^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,128}$/

/** Ids that a client may choose: those of responses are not among them. */
export const CHOSEN_ID = /^(?!\.{1,2}$|resp_)[A-Za-z0-9._~-]{1,128}$/

/** The same Idempotency-Key of the same owner gives the same id (`isDerivedId`). */
export function idFromKey(key: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([OWNER, key]))
    .digest('base64url')
  return `key-${hash}`
}

/** A UUIDv7: these sort by the time they were made. RFC 9562 section 5.7. */
export function newId(): string {
  const ms = Date.now().toString(16).padStart(12, '0')
  // The random part is that of a UUIDv4: Node keeps a pool for those, and random bytes would cost a system call.
  return `${ms.slice(0, 8)}-${ms.slice(8)}-7${randomUUID().slice(15)}`
}

/** The id of a response. With an Idempotency-Key the same key gives the same id, which is that of no other route's job. */
export const responseId = (key?: string): string =>
  RESPONSE_PREFIX + (key === undefined ? newId().replaceAll('-', '') : idFromKey(key))
