import { GatewayError } from '../../errors.ts'
import { headerOf } from '../context.ts'
import { invalidValue } from './openai-errors.ts'
import type { Context } from 'hono'
import type { HttpEnv } from '../context.ts'

export const IDEMPOTENCY_KEY = /^[!-~][ -~]{0,254}$/

/** The Idempotency-Key, where the request has one. */
export function keyOf(c: Context<HttpEnv>): string | undefined {
  const key = headerOf(c, 'idempotency-key')
  if (key === undefined || IDEMPOTENCY_KEY.test(key)) return key
  throw invalidValue('Idempotency-Key', 'Idempotency-Key must be 1 to 255 printable characters')
}

/** How long the client waits for its answer, by what its program says. */
const TIMEOUT_HEADERS = ['x-stainless-timeout', 'x-stainless-read-timeout']
/**
 * The answer must be there before the client has given up. A client counts from before it connects, and on a busy
 * machine its request is here some tenths of a second later.
 */
const marginOf = (ms: number): number => Math.max(ms * 0.05, Math.min(500, ms * 0.25))

/** How long the request is held at most. */
export function waitOf(c: Context<HttpEnv>, maxMs: number): number {
  const stated = TIMEOUT_HEADERS.map((name) => headerOf(c, name) ?? '')
  const seconds = stated.filter((text) => /^\d{1,9}(\.\d{1,9})?$/.test(text)).map(Number)
  const timeouts = seconds.filter((each) => each > 0).map((each) => each * 1000)
  return Math.min(maxMs, ...timeouts.map((ms) => ms - marginOf(ms)))
}

export const isConflict = (error: unknown): boolean =>
  error instanceof GatewayError && error.code === 'job_conflict'

/** A key that is sent again with another payload is a 422, as for POST /jobs. */
export function conflictOfKey(error: unknown): unknown {
  if (!isConflict(error)) return error
  return new GatewayError(
    'idempotency_conflict',
    'the Idempotency-Key was used for another payload',
  )
}
