import { followDeltas, positionOf, startAt } from '../../src/gateway/event-log.ts'
import type { Followed } from '../../src/gateway/event-log.ts'
import type { JobEvent, JobView, Outcome } from '../../src/job.ts'
import type { Delta, Deltas } from '../../src/redis/deltas.ts'

/** What an entry of a stream says, as far as a test cares. */
export type Entry = Partial<Omit<Delta, 'id'>>

const FIRST_MS = 1_790_000_000_000

/** A job's deltas as Redis keeps them, in memory: appended to, cut at the head, and read in batches. */
export class MemoryStream {
  entries: Delta[] = []
  readonly #batch: number
  #appended = 0

  constructor(batch = 3) {
    this.#batch = batch
  }

  append(entry: Entry): string {
    const id = `${FIRST_MS + this.#appended}-0`
    this.#appended += 1
    this.entries.push({ id, text: '', attempt: 1, isEnd: false, ...entry })
    return id
  }

  /** As `MAXLEN` does. */
  trim(length: number): void {
    this.entries.splice(0, this.entries.length - length)
  }

  readonly after = async (_key: string, id: string) => {
    const ms = Number(id.split('-')[0])
    // Only the head is cut, so that the entries that are left follow each other.
    const first = Number(this.entries[0]?.id.split('-')[0] ?? 0)
    const from = Math.max(0, ms - first + 1)
    const deltas = this.entries.slice(from, from + this.#batch)
    return { deltas, hasMore: deltas.length === this.#batch }
  }
}

export const OPEN_VIEW: JobView = {
  id: 'j',
  status: 'queued',
  createdAt: 1,
  finishedAt: null,
  outcome: null,
}

export const endedView = (outcome: Outcome): JobView => ({
  ...OPEN_VIEW,
  status: outcome.kind,
  finishedAt: 2,
  outcome,
})

export const succeeded = (content: string): JobView => endedView({ kind: 'succeeded', content })

/** A client that follows one job, from the last event that it has. */
export function reader(stream: Pick<Deltas, 'after'>, lastEventId?: string, of = 'r1') {
  const state: Followed = startAt(
    of,
    lastEventId === undefined ? undefined : positionOf(lastEventId),
  )
  const events: JobEvent[] = []
  /** Reads what is new; `view` is the job as it was before. */
  const read = async (view: JobView = OPEN_VIEW, run = of): Promise<readonly JobEvent[]> => {
    const told: JobEvent[] = []
    for await (const batch of followDeltas(stream, 'deltas', state, { run, view })) {
      told.push(...batch)
    }
    events.push(...told)
    return told
  }
  return { state, events, read }
}

/** All events of a job from the last one that a client has, as a replica tells them that knows nothing else of it. */
export async function replay(stream: MemoryStream, view: JobView, lastEventId?: string) {
  const client = reader(stream, lastEventId)
  await client.read(view)
  return client.events
}

/** The events as short texts: `+text`, `restart` and the kind of the end. */
export const brief = (events: readonly JobEvent[]): string[] =>
  events.map((event) => {
    if (event.kind === 'delta') return `+${event.text}`
    return event.kind === 'done' ? event.view.status : event.kind
  })

/** What a client has after these events. */
export function toldText(events: readonly JobEvent[]): string {
  let text = ''
  for (const event of events) {
    if (event.kind === 'restart') text = ''
    if (event.kind === 'delta') text += event.text
  }
  return text
}

/** The id that a client names when it comes again after these events; undefined where none has one. */
export function lastIdOf(events: readonly JobEvent[]): string | undefined {
  const last = events.findLast((event) => event.kind !== 'status')
  return last !== undefined && 'id' in last ? last.id : undefined
}
