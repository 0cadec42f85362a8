import { setTimeout as delay } from 'node:timers/promises'
import { endpointUrl } from './address.ts'
import { chunksOf } from './chunks.ts'
import { ConnectionFailure, UpstreamFailure, badAnswer } from './failure.ts'
import { post } from './post.ts'
import { RetryPolicy } from './retry.ts'
import { statusFailure } from './status-failure.ts'
import type { Chunk } from './chunks.ts'
import type { Reply } from './post.ts'

/** The longest time that a timer takes. */
const MAX_LIFE_MS = 2 ** 31 - 1
/** So long a busy server is asked again where no setting says otherwise. */
const PATIENCE_MS = 2_000

export interface UpstreamOptions {
  /** Of any OpenAI-compatible server; see `address.ts` for what it may be. */
  readonly url: string
  readonly apiKey?: string
  /** How long a server is asked again that is busy and does not say how long. */
  readonly patienceMs?: number
}

export interface Call {
  /** Below the base address, for example `/chat/completions`. */
  readonly path: string
  /** JSON text of an object. */
  readonly body: string
  /** How many choices the answer is to have. */
  readonly choices?: number
  /** No client wants the answer any more: the connection is closed, by which such a server knows to stop. */
  readonly signal: AbortSignal
  /** All tries and the whole answer have this long. */
  readonly lifeMs: number
}

/** What an endpoint answered: chunks as they come, which end where the answer is complete, or one whole body. */
export type Answer =
  | { readonly kind: 'stream'; readonly chunks: AsyncIterable<Chunk> }
  | { readonly kind: 'whole'; readonly body: Chunk }

/**
 * Calls an endpoint with this body. Tries again while nothing of an answer has come and the server may
 * yet give one. Throws an `UpstreamFailure`, or the reason of the signal.
 */
export async function callUpstream(options: UpstreamOptions, call: Call): Promise<Answer> {
  const life = new Life(call)
  try {
    const { first, chunks } = await firstChunk(options, call, life)
    if (!first.isWhole) return { kind: 'stream', chunks: stream(first, chunks, life) }
    await chunks.next()
    life.end()
    return { kind: 'whole', body: first }
  } catch (error) {
    life.end()
    throw life.reasonOf(error)
  }
}

interface Begun {
  readonly first: Chunk
  readonly chunks: AsyncGenerator<Chunk, void, void>
}

async function firstChunk(options: UpstreamOptions, call: Call, life: Life): Promise<Begun> {
  const { url, patienceMs = PATIENCE_MS } = options
  const request = {
    url: endpointUrl(url, call.path),
    headers: headersOf(options),
    body: call.body,
    signal: life.signal,
  }
  const policy = new RetryPolicy(patienceMs)
  for (let isFresh = false; ; isFresh = true) {
    let waitMs: number | undefined
    try {
      const reply = await post({ ...request, isFresh })
      if (reply.status < 400) return await begun(reply, call.choices ?? 1)
      waitMs = policy.afterStatus(reply, life.leftMs)
      if (waitMs === undefined) throw await statusFailure(reply)
      reply.close()
    } catch (error) {
      if (life.signal.aborted || !(error instanceof ConnectionFailure)) throw error
      waitMs = error.wasConnected ? policy.afterBreak() : undefined
      if (waitMs === undefined) throw error
    }
    await delay(waitMs, undefined, { signal: life.signal })
  }
}

function headersOf({ apiKey }: UpstreamOptions): Record<string, string> {
  const key = apiKey?.trim()
  return {
    'content-type': 'application/json',
    ...(key !== undefined && { authorization: `Bearer ${key}` }),
  }
}

async function begun(reply: Reply, choices: number): Promise<Begun> {
  const chunks = chunksOf(reply, choices)
  const first = await chunks.next()
  if (first.done === true) throw badAnswer('the answer is empty')
  return { first: first.value, chunks }
}

async function* stream(
  first: Chunk,
  chunks: AsyncIterable<Chunk>,
  life: Life,
): AsyncGenerator<Chunk, void, void> {
  try {
    yield first
    yield* chunks
  } catch (error) {
    throw life.reasonOf(error)
  } finally {
    life.end()
  }
}

/** From the begin of a call to its end: aborted when the caller is, or when the time is over. */
class Life {
  readonly #abort = new AbortController()
  readonly #caller: AbortSignal
  readonly #endsAt: number
  readonly #timer: NodeJS.Timeout
  readonly #onAbort = (): void => this.#abort.abort(this.#caller.reason)

  constructor({ signal, lifeMs }: Call) {
    const boundedMs = Math.max(1, Math.min(lifeMs, MAX_LIFE_MS))
    this.#caller = signal
    this.#endsAt = performance.now() + boundedMs
    this.#timer = setTimeout(() => this.#abort.abort(OVER), boundedMs)
    signal.addEventListener('abort', this.#onAbort)
    if (signal.aborted) this.#onAbort()
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get leftMs(): number {
    return this.#endsAt - performance.now()
  }

  /** The caller gets this in place of an error that its abort, or the end of the time, has made. */
  reasonOf(error: unknown): unknown {
    return this.signal.aborted ? this.signal.reason : error
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#caller.removeEventListener('abort', this.#onAbort)
  }
}

const OVER = new UpstreamFailure('upstream_timeout', 'the job’s life ended before the answer did')
