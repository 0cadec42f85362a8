import { randomUUID } from 'node:crypto'

/** Ids in the order of time, so that who lists jobs has them sorted. RFC 9562 section 5.7. */
export function uuidv7(): string {
  const ms = Date.now().toString(16).padStart(12, '0')
  // Its random part with another version: from a pool, where random bytes cost a system call.
  return `${ms.slice(0, 8)}-${ms.slice(8)}-7${randomUUID().slice(15)}`
}
