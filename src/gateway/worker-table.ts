import type { Announcement, WorkerField, WorkerStop } from '../announcement.ts'

interface Entry extends WorkerField {
  readonly heardAt: number
}

/** `stopped`: the process has said its last word before. */
export type Hearing = 'changed' | 'renewed' | 'stopped'

/** Longer than any read of the hash takes, and than a renewal may be late. */
const STOPPED_MS = 60_000

/**
 * The workers that are there, by name, as this process has heard them: the last word of a name
 * counts, as in the hash. Their own clocks are never looked at.
 */
export class WorkerTable {
  readonly #now: () => number
  readonly #silentMs: number
  readonly #entries = new Map<string, Entry>()
  /** The processes that have stopped, and when. None of them comes back. */
  readonly #stopped = new Map<string, number>()

  constructor(now: () => number, silentMs: number) {
    this.#now = now
    this.#silentMs = silentMs
  }

  heard(announcement: Announcement, value: string): Hearing {
    const { worker, instance } = announcement
    if (this.#stopped.has(instance)) return 'stopped'
    const before = this.#entries.get(worker)
    this.#entries.set(worker, { worker, value, announcement, heardAt: this.#now() })
    const isSame =
      before?.announcement !== undefined &&
      this.#isLive(before) &&
      servedBy(before.announcement) === servedBy(announcement)
    return isSame ? 'renewed' : 'changed'
  }

  /** Whether a worker is gone by it. A stop of the process before the one of now changes nothing. */
  stop({ worker, instance }: WorkerStop): boolean {
    const now = this.#now()
    for (const [old, since] of this.#stopped) {
      if (now - since > STOPPED_MS) this.#stopped.delete(old)
    }
    this.#stopped.set(instance, now)
    const entry = this.#entries.get(worker)
    return entry?.announcement?.instance === instance && this.#entries.delete(worker)
  }

  /**
   * All fields of the hash, as they were at some time after `since`. What was heard meanwhile is
   * newer. A worker that is known and still counts gets no more time by this, because its field
   * stays when it dies. `isWhole`: a worker without a field has stopped while we did not listen.
   * Returns what is new.
   */
  read(fields: readonly WorkerField[], since: number, isWhole: boolean): readonly Announcement[] {
    const found = new Set(fields.map(({ worker }) => worker))
    for (const [worker, { heardAt }] of this.#entries) {
      if (isWhole && !found.has(worker) && heardAt < since) this.#entries.delete(worker)
    }
    const news: Announcement[] = []
    for (const field of fields) {
      const { worker, announcement } = field
      const before = this.#entries.get(worker)
      if (announcement !== undefined && this.#stopped.has(announcement.instance)) continue
      if (before !== undefined && before.heardAt >= since) continue
      const isKnown =
        before !== undefined &&
        this.#isLive(before) &&
        before.announcement?.instance === announcement?.instance
      this.#entries.set(worker, { ...field, heardAt: isKnown ? before.heardAt : this.#now() })
      if (!isKnown && announcement !== undefined) news.push(announcement)
    }
    return news
  }

  live(): readonly Announcement[] {
    return this.#all().flatMap((entry) =>
      entry.announcement !== undefined && this.#isLive(entry) ? [entry.announcement] : [],
    )
  }

  /** When the first of those that are there has been silent for too long, unless it is heard before. */
  liveUntil(): number {
    const ends = this.#all().filter((entry) => this.#isLive(entry))
    return Math.min(...ends.map(({ heardAt }) => heardAt + this.#silentMs))
  }

  /** Workers that count no more, and whose fields are still in Redis. */
  silent(): readonly WorkerField[] {
    return this.#all().filter((entry) => !this.#isLive(entry))
  }

  /** Its field is gone. Whether it was still silent. */
  forget({ worker, value }: WorkerField): boolean {
    const entry = this.#entries.get(worker)
    const isSilent = entry !== undefined && entry.value === value && !this.#isLive(entry)
    return isSilent && this.#entries.delete(worker)
  }

  #all(): readonly Entry[] {
    return Array.from(this.#entries.values())
  }

  #isLive({ heardAt }: Entry): boolean {
    return this.#now() - heardAt < this.#silentMs
  }
}

/** What of an announcement decides about the routes. */
const servedBy = ({ instance, queue, dialect, models }: Announcement): string =>
  JSON.stringify([instance, queue, dialect, models])
