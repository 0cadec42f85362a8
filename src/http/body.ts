import { GatewayError } from '../errors.ts'
import { headerOf } from './context.ts'
import { readSocket } from './socket-body.ts'
import type { Context } from 'hono'
import type { BodyBudget, BodyShare } from './body-budget.ts'
import type { HttpEnv } from './context.ts'

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i
/** The value of a `charset` parameter, with or without quotes. RFC 9110 section 8.3.2. */
const CHARSET = /;\s*charset\s*=\s*(?:"([^"]*)"|([^\s;]*))/gi
/** ASCII is a part of UTF-8. */
const UTF8_NAMES = /^(?:utf-?8|us-ascii|ascii)?$/i
/** It throws on bytes that are not UTF-8, and removes one byte order mark at the beginning. */
const UTF8 = new TextDecoder('utf-8', { fatal: true })
/** JSON.stringify overflows the stack at about 10,000 levels, although JSON.parse reads them. */
export const MAX_DEPTH = 64
/** Items of one array, or keys of one object. It also bounds how many faults a validation can find. */
export const MAX_ITEMS = 1024

/** Why a body cannot be used, and where in it. */
type Fault =
  | { readonly kind: 'not_json' | 'not_utf8' | 'too_deep' }
  | {
      readonly kind: 'too_wide'
      /** Keys and indices from the top down to the array or object. */
      readonly path: readonly (string | number)[]
      readonly size: number
    }

/** Thrown for a body that is not JSON, or that is nested too deep or too wide. Each surface words its own answer. */
export class UnusableJson extends GatewayError {
  readonly fault: Fault

  constructor(fault: Fault) {
    super('bad_request', MESSAGES[fault.kind])
    this.fault = fault
  }
}

const MESSAGES: Record<Fault['kind'], string> = {
  not_json: 'the body is not valid JSON',
  not_utf8: 'the body is not valid UTF-8',
  too_deep: `the body is nested more than ${MAX_DEPTH} levels deep`,
  too_wide: `an array or object in the body has more than ${MAX_ITEMS} items`,
}

/**
 * Reads the body as JSON, or throws a GatewayError: wrong content type, compressed, too
 * large, client gone, unusable JSON.
 */
export async function readJson(c: Context<HttpEnv>, maxBytes: number): Promise<unknown> {
  const { value } = await readJsonText(c, maxBytes)
  const fault = tooDeepOrWide(value)
  if (fault !== undefined) throw new UnusableJson(fault)
  return value
}

/**
 * Reads the body as JSON and as the text it was sent as. It may be nested as deep and wide as
 * the client likes, so no code may walk through all of it by recursion. The caller releases
 * its `share` of the budget.
 */
export async function readJsonText(
  c: Context<HttpEnv>,
  maxBytes: number,
  budget?: BodyBudget,
): Promise<JsonText> {
  checkMediaType(c)
  const share = shareOf(c, maxBytes, budget)
  try {
    const text = textOf(await readBytes(c, maxBytes, share))
    return { text, value: parseJson(text), share }
  } catch (error) {
    share.release()
    throw error
  }
}

export interface JsonText {
  readonly text: string
  readonly value: unknown
  readonly share: BodyShare
}

/** JSON is UTF-8 (RFC 8259 section 8.1), and we decompress nothing: a small body could become a huge one. */
function checkMediaType(c: Context<HttpEnv>): void {
  const type = headerOf(c, 'content-type')
  if (type === undefined || !JSON_TYPE.test(type)) {
    throw unsupported('the content type must be application/json')
  }
  for (const [, quoted, plain] of type.matchAll(CHARSET)) {
    const charset = quoted ?? plain ?? ''
    if (!UTF8_NAMES.test(charset)) {
      throw unsupported(`the charset must be utf-8, not ${charset.slice(0, MAX_NAME)}`)
    }
  }
  const coding = headerOf(c, 'content-encoding') ?? ''
  if (coding.split(',').every((one) => IDENTITY.test(one))) return
  // RFC 9110 section 15.5.16: with this header the client knows that the coding is at fault.
  c.header('accept-encoding', 'identity')
  throw unsupported(
    `the body must not be compressed: ${coding.slice(0, MAX_NAME)} is not read here`,
  )
}

const IDENTITY = /^\s*(?:identity)?\s*$/i
/** Of what a client wrote, so much is repeated in an error. */
const MAX_NAME = 40
const unsupported = (message: string) => new GatewayError('unsupported_media_type', message)

/** The length that the client states; undefined where the body comes in chunks. */
function statedLength(c: Context<HttpEnv>): number | undefined {
  const stated = headerOf(c, 'content-length')
  const isStated = stated !== undefined && headerOf(c, 'transfer-encoding') === undefined
  return isStated ? Number(stated) : undefined
}

/** Created only when it is thrown: to collect its stack takes time. */
const tooLarge = (maxBytes: number) =>
  new GatewayError('body_too_large', `the body is larger than ${maxBytes} bytes`)

const NO_SHARE: BodyShare = { add: () => {}, release: () => {} }

/** Throws where the body cannot be read now, before any of it is. */
function shareOf(c: Context<HttpEnv>, maxBytes: number, budget?: BodyBudget): BodyShare {
  const stated = statedLength(c) ?? 0
  if (stated > maxBytes) throw tooLarge(maxBytes)
  return budget?.begin(stated) ?? NO_SHARE
}

/**
 * Where the client states the length, Node makes sure that no more arrives. Only a chunked body
 * must be counted as it arrives, and one that has a share of the budget.
 */
async function readBytes(
  c: Context<HttpEnv>,
  maxBytes: number,
  share: BodyShare,
): Promise<ArrayBuffer | Buffer> {
  const { incoming } = c.env
  const isCounted = share !== NO_SHARE || statedLength(c) === undefined
  let size = 0
  const count = (bytes: number): void => {
    size += bytes
    if (size > maxBytes) throw tooLarge(maxBytes)
    share.add(bytes)
  }
  try {
    if (!isCounted) return await c.req.arrayBuffer()
    if (incoming !== undefined) return await readSocket(incoming, count)
    const chunks: Uint8Array[] = []
    for await (const chunk of c.req.raw.body ?? []) {
      count(chunk.byteLength)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } catch (error) {
    if (error instanceof GatewayError) throw error
    throw new GatewayError('client_gone', 'the client left before its request was complete', {
      cause: error,
    })
  }
}

/** Both framings give bytes, and the bytes are read here alone, so that the answer does not depend on the framing. */
function textOf(bytes: ArrayBuffer | Buffer): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    throw new UnusableJson({ kind: 'not_utf8' })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UnusableJson({ kind: 'not_json' })
  }
}

/** Visits every value. It creates objects only when it has found a fault, because every request passes here. */
function tooDeepOrWide(value: unknown, depth = 1): Fault | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (depth > MAX_DEPTH) return { kind: 'too_deep' }
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value)
  const size = Array.isArray(value) ? value.length : (keys as string[]).length
  if (size > MAX_ITEMS) return { kind: 'too_wide', path: [], size }
  for (const key of keys) {
    const fault = tooDeepOrWide((value as Record<string | number, unknown>)[key], depth + 1)
    if (fault?.kind === 'too_wide') return { ...fault, path: [key, ...fault.path] }
    if (fault !== undefined) return fault
  }
  return undefined
}
