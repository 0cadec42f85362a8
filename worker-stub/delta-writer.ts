import { HEAD } from '../src/redis/record/lua.ts'
import { errorFields } from '../src/telemetry/log.ts'
import type { RedisConnection } from '../src/redis/connection.ts'
import type { JobKeys } from '../src/redis/record/record.ts'
import type { Log } from '../src/telemetry/log.ts'

/** At most one write in so many milliseconds: no reader sees the difference, and Redis has a tenth of the work. */
export const INTERVAL_MS = 10
/** So many entries are kept, about: more than any answer has, and what readers rely on. */
export const MAX_ENTRIES = 100_000
/**
 * Of a job with chunks. Its events have numbers, which are wrong without the first entry. At one
 * entry in 10 ms, an answer would have to take almost three hours.
 */
export const MAX_CHUNK_ENTRIES = 1_000_000

/** A shorter life than the stream has would end it before the result that it belongs to. */
const RENEW = `
if redis.call('PTTL', deltasKey) < ask.ttl then redis.call('PEXPIRE', deltasKey, ask.ttl) end
`

/**
 * The first entry of an attempt, which also finds out which one it is: another
 * worker may have streamed for this run before the message came here, or have
 * begun meanwhile. Two that stream at once so have different numbers. Where the
 * job has ended or was deleted meanwhile, or its id has a new run, nothing is
 * written: a stream that begins behind the end would have no entry that says so. Returns the
 * attempt, 0 for none.
 */
const BEGIN = `${HEAD}
if ask.run ~= '' and record and (record.run ~= ask.run or not isInFlight()) then return 0 end
if ask.run ~= '' and not record and redis.call('GET', cancelKey) == ask.run then return 0 end
local attempt = 1
-- A stale run may have written between ours. What is far back belongs to no reader any more.
for _, last in ipairs(redis.call('XREVRANGE', deltasKey, '+', '-', 'COUNT', 100)) do
  local fields = {}
  for i = 1, #last[2], 2 do fields[last[2][i]] = last[2][i + 1] end
  if (fields.run or '') == ask.run then
    attempt = (tonumber(fields.attempt) or 1) + 1
    break
  end
end
local entry = {'text', ARGV[2]}
if ARGV[3] ~= '' then
  entry[#entry + 1] = 'chunks'
  entry[#entry + 1] = ARGV[3]
end
if ask.run ~= '' then
  entry[#entry + 1] = 'run'
  entry[#entry + 1] = ask.run
end
if attempt > 1 then
  entry[#entry + 1] = 'attempt'
  entry[#entry + 1] = attempt
end
redis.call('XADD', deltasKey, 'MAXLEN', '~', ask.most, '*', unpack(entry))
${RENEW}
return attempt
`

/** What one entry of the stream holds of an answer. */
interface Piece {
  readonly text: string
  readonly chunks?: string
}

export interface DeltaWriterOptions {
  readonly redis: RedisConnection
  readonly keys: JobKeys
  /** Empty when the message names none. */
  readonly run: string
  readonly ttlMs: number
  /** How many entries are kept, about. */
  readonly most?: number
  /** When it is aborted nothing more is written. */
  readonly signal: AbortSignal
  readonly log: Log
}

/**
 * Appends the pieces of an answer to the job's stream, by time: the first one at
 * once, then all of 10 ms in one entry. One write is in flight at a time, so that
 * a slow Redis gets larger entries and not a queue. Best effort: after a write
 * that failed, or into a stream that has gone, nothing follows, because a gap
 * would be read as the text. The result has all of it.
 */
export class DeltaWriter {
  readonly #options: DeltaWriterOptions
  #pending = ''
  /** The chunks that the text is of, as JSON texts. */
  #chunks: string[] = []
  /** Half of a character that is two in UTF-16, when a piece ends in it: UTF-8 has no halves. */
  #half = ''
  #writing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #nextAt = 0
  #renewAt = 0
  /** 0 until the first entry is written. */
  #attempt = 0
  #isClosing = false
  #isOver = false

  constructor(options: DeltaWriterOptions) {
    this.#options = options
  }

  add(text: string, chunk?: string): void {
    if (this.#isClosing || this.#isOver) return
    const all = this.#half + text
    const last = all.charCodeAt(all.length - 1)
    const end = last >= 0xd800 && last <= 0xdbff ? -1 : undefined
    this.#pending += all.slice(0, end)
    this.#half = end === undefined ? '' : all.slice(end)
    if (chunk !== undefined) this.#chunks.push(chunk)
    this.#writeSoon()
  }

  /** Writes the rest. Never rejects; when it resolves, no write is under way. */
  async close(): Promise<void> {
    this.#isClosing = true
    clearTimeout(this.#timer)
    await this.#writing
    this.#pending += this.#half
    await this.#write()
  }

  #writeSoon(): void {
    const isWaiting = this.#writing !== undefined || this.#timer !== undefined
    if (isWaiting || this.#isClosing || this.#isEmpty) return
    const left = this.#nextAt - performance.now()
    if (left > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        this.#start()
      }, Math.ceil(left))
    } else this.#start()
  }

  #start(): void {
    this.#nextAt = performance.now() + INTERVAL_MS
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined
      this.#writeSoon()
    })
  }

  async #write(): Promise<void> {
    const { signal, log } = this.#options
    const { text, chunks } = { text: this.#pending, chunks: this.#chunks }
    const isEmpty = this.#isEmpty
    this.#pending = ''
    this.#chunks = []
    if (isEmpty || this.#isOver || signal.aborted) return
    const piece = { text, ...(chunks.length > 0 && { chunks: `[${chunks.join(',')}]` }) }
    try {
      const isWritten = this.#attempt === 0 ? await this.#begin(piece) : await this.#append(piece)
      this.#isOver = !isWritten
    } catch (error) {
      this.#isOver = true
      if (!signal.aborted) log.warn(errorFields(error), 'deltas.write_failed')
    }
  }

  get #isEmpty(): boolean {
    return this.#pending === '' && this.#chunks.length === 0
  }

  /** Whether the job still takes deltas. */
  async #begin({ text, chunks = '' }: Piece): Promise<boolean> {
    this.#renewAt = performance.now() + this.#options.ttlMs / 2
    this.#attempt = Number(await this.#call(BEGIN, text, chunks))
    return this.#attempt > 0
  }

  /** Whether the stream was still there; a new run removes that of the one before. */
  async #append(piece: Piece): Promise<boolean> {
    const { redis, keys, run, ttlMs, most = MAX_ENTRIES } = this.#options
    const entry = {
      ...piece,
      ...(run !== '' && { run }),
      ...(this.#attempt > 1 && { attempt: String(this.#attempt) }),
    }
    const added = redis.client.xAddNoMkStream(keys.deltas, '*', entry, {
      TRIM: { strategy: 'MAXLEN', strategyModifier: '~', threshold: most },
    })
    if (performance.now() < this.#renewAt) return (await added) !== null
    // An answer may take longer than its stream is kept.
    this.#renewAt = performance.now() + ttlMs / 2
    const [id] = await Promise.all([added, this.#call(HEAD + RENEW)])
    return id !== null
  }

  #call(script: string, ...values: string[]): Promise<unknown> {
    const { redis, keys, run, ttlMs: ttl, most = MAX_ENTRIES } = this.#options
    const { record, cancel, deltas, results } = keys
    const ask = JSON.stringify({ run, ttl, most, results: results.length })
    const options = { keys: [record, cancel, deltas, ...results], arguments: [ask, ...values] }
    return redis.client.eval(script, options)
  }
}
