import { GatewayError } from '../errors.ts'
import type { Decoded, Dialect } from '../dialect.ts'
import type { HintSource } from '../redis/push.ts'
import type { ReadResult } from '../redis/results.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** What leads to a read: a hint, the look after a SUBSCRIBE for a job already under way, the last look. */
export type ReadSource = HintSource | 'armed_read' | 'deadline'

/** How an end was found. */
export interface Found {
  readonly source: ReadSource
  /** What stood at the first key. */
  readonly value: string
  /** The claim says so already. */
  readonly isFinished: boolean
}

export interface ReaderOptions {
  readonly read: () => Promise<ReadResult>
  readonly dialect: Pick<Dialect, 'decodeResult'>
  readonly metrics: Pick<Metrics, 'reads'>
  /** The run that is waited for. */
  readonly run: () => string | undefined
  /** Nothing is waited for any more. */
  readonly isOver: () => boolean
  /** The job has ended. */
  readonly onDecoded: (decoded: Decoded, found: Found) => void
  /** Ours has ended and been read elsewhere; what stands there now answers somebody else. */
  readonly onMoved: () => void
  /** The result stands there and nobody can read it. */
  readonly onUnreadable: (error: unknown) => void
  /** An event told of a result, and nothing stands there. */
  readonly onVanished: () => void
}

const CANCELLED: Decoded = { outcome: { kind: 'cancelled' } }

/**
 * Reads a job's keys, one read at a time. Asked for during a read, it is done
 * again: what was read may have been too early.
 */
export class ResultReader {
  readonly #options: ReaderOptions
  #reading: Promise<void> | undefined
  /** Why it is to be read (again); undefined when nothing has happened since. */
  #dirty: ReadSource | undefined
  #status: 'queued' | 'running' = 'queued'

  constructor(options: ReaderOptions) {
    this.#options = options
  }

  /** As it was read last, while it had no end. */
  get status(): 'queued' | 'running' {
    return this.#status
  }

  /** Resolves when no read is left to do. Never rejects. */
  read(source: ReadSource): Promise<void> {
    this.#dirty = source
    this.#reading ??= this.#readUntilClean()
    return this.#reading
  }

  async #readUntilClean(): Promise<void> {
    const { read, isOver, onUnreadable, metrics } = this.#options
    while (this.#dirty !== undefined && !isOver()) {
      const source = this.#dirty
      this.#dirty = undefined
      metrics.reads.inc({ source })
      try {
        const result = await read()
        if (!isOver()) this.#take(result, source)
      } catch (error) {
        // Redis away: it is read again when it is back.
        const isAway = error instanceof GatewayError && error.code === 'results_down'
        if (!isAway) onUnreadable(error)
      }
    }
    // In the same turn as the last look at `#dirty`, or a hint in between would be lost.
    this.#reading = undefined
  }

  #take({ values, run, isCancelled, isFinished }: ReadResult, source: ReadSource): void {
    const { dialect, run: ours, onDecoded, onMoved, onVanished } = this.#options
    if (run !== null && run !== ours()) return onMoved()
    // Final: a worker that did not look has written over it.
    const standing = isCancelled ? CANCELLED : dialect.decodeResult(values)
    if (typeof standing === 'object') {
      return onDecoded(standing, { source, value: values[0] ?? '', isFinished })
    }
    this.#status = standing
    // Evicted, or taken away between the event and the read. A later event may still bring one.
    if (source === 'notification' && values.every((value) => value === null)) onVanished()
  }
}
