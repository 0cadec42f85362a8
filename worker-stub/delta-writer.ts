import { errorFields } from '../src/telemetry/log.ts'
import type { RedisConnection } from '../src/redis/connection.ts'
import type { Log } from '../src/telemetry/log.ts'

/** At most one write in so many milliseconds: no reader sees the difference, and Redis has a tenth of the work. */
const INTERVAL_MS = 10
/** So many entries are kept, about: more than any answer has. */
const MAX_ENTRIES = 100_000

/**
 * The first entry of an attempt, which also finds out which one it is: another
 * worker may have streamed for this run before the message came here, or have
 * begun meanwhile. Two that stream at once so have different numbers.
 * KEYS: deltas. ARGV: text, run or '', most entries, ttl ms. Returns the attempt.
 */
const BEGIN = `
local attempt = 1
-- A stale run may have written between ours; far back it is nobody's any more.
for _, last in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 100)) do
  local fields = {}
  for i = 1, #last[2], 2 do fields[last[2][i]] = last[2][i + 1] end
  if (fields.run or '') == ARGV[2] then
    attempt = (tonumber(fields.attempt) or 1) + 1
    break
  end
end
local entry = {'text', ARGV[1]}
if ARGV[2] ~= '' then
  entry[#entry + 1] = 'run'
  entry[#entry + 1] = ARGV[2]
end
if attempt > 1 then
  entry[#entry + 1] = 'attempt'
  entry[#entry + 1] = attempt
end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', unpack(entry))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return attempt
`

export interface DeltaWriterOptions {
  readonly redis: RedisConnection
  readonly key: string
  /** Empty when the message names none. */
  readonly run: string
  readonly ttlMs: number
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

  add(text: string): void {
    if (this.#isClosing || this.#isOver) return
    const all = this.#half + text
    const last = all.charCodeAt(all.length - 1)
    const end = last >= 0xd800 && last <= 0xdbff ? -1 : undefined
    this.#pending += all.slice(0, end)
    this.#half = end === undefined ? '' : all.slice(end)
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
    if (isWaiting || this.#isClosing || this.#pending === '') return
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
    const text = this.#pending
    this.#pending = ''
    if (text === '' || this.#isOver || signal.aborted) return
    try {
      const isWritten = this.#attempt === 0 ? await this.#begin(text) : await this.#append(text)
      this.#isOver = !isWritten
    } catch (error) {
      this.#isOver = true
      if (!signal.aborted) log.warn(errorFields(error), 'deltas.write_failed')
    }
  }

  async #begin(text: string): Promise<boolean> {
    const { redis, key, run, ttlMs } = this.#options
    this.#renewAt = performance.now() + ttlMs / 2
    const options = { keys: [key], arguments: [text, run, String(MAX_ENTRIES), String(ttlMs)] }
    this.#attempt = Number(await redis.client.eval(BEGIN, options))
    return true
  }

  /** Whether the stream was still there; a new run removes that of the one before. */
  async #append(text: string): Promise<boolean> {
    const { redis, key, run, ttlMs } = this.#options
    const entry = {
      text,
      ...(run !== '' && { run }),
      ...(this.#attempt > 1 && { attempt: String(this.#attempt) }),
    }
    const added = redis.client.xAddNoMkStream(key, '*', entry, {
      TRIM: { strategy: 'MAXLEN', strategyModifier: '~', threshold: MAX_ENTRIES },
    })
    if (performance.now() < this.#renewAt) return (await added) !== null
    // An answer may take longer than its stream is kept.
    this.#renewAt = performance.now() + ttlMs / 2
    const [id] = await Promise.all([added, redis.client.pExpire(key, ttlMs)])
    return id !== null
  }
}
