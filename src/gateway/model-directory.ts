import { RENEW_MS, SILENT_MS } from '../announcement.ts'
import { KnownModels } from './known-models.ts'
import { bestPlace, offers, placeOf, placesOf, servingsOf } from './model-places.ts'
import { WorkerTable } from './worker-table.ts'
import type { Announcement, WorkerField, WorkerStop } from '../announcement.ts'
import type { Dialect } from '../dialect.ts'
import type { Endpoint, Model, ModelMemory, ModelRoute, ModelSetting, Models } from '../models.ts'
import type { Log } from '../telemetry/log.ts'
import type { DirectoryClock } from './known-models.ts'
import type { Servings } from './model-places.ts'

export interface DirectoryOptions {
  /** Those that the gateway serves, the preferred one first. */
  readonly queues: readonly string[]
  readonly dialect: Pick<Dialect, 'name' | 'carriesBodies'>
  readonly settings: readonly ModelSetting[]
  /** How many workers the broker sees at a queue, announced or not; undefined where that is not known. */
  readonly consumersOf: (queue: string) => number | undefined
  readonly log: Pick<Log, 'info' | 'warn'>
  readonly clock?: DirectoryClock
  readonly renewMs?: number
  readonly silentMs?: number
}

/** The announced workers of a queue, in numbers. */
export interface AnnouncedQueue {
  readonly queue: string
  readonly workers: number
  /** Jobs that they run, and that they can run at a time. */
  readonly running: number
  readonly concurrency: number
}

/** So many different complaints are made once each; then they would fill the log. */
const MAX_COMPLAINTS = 1_000

/** Where each model is served, and by which way. */
interface View {
  readonly until: number
  readonly places: ReturnType<typeof placesOf>
  readonly servings: Servings
}

/**
 * Which models are served, by which queue: what the workers announce, what is remembered of
 * workers that were there, and the setting MODELS, which wins. Pure: it is told what was heard and
 * asks a clock.
 *
 * A model at several queues: the first in the order of QUEUE_NAME and ALLOWED_QUEUES where a
 * worker serves it now; where none does, the queue where it was served last.
 */
export class ModelDirectory implements Models {
  readonly #options: DirectoryOptions
  readonly #clock: DirectoryClock
  readonly #settleMs: number
  readonly #settings: ReadonlyMap<string, ModelSetting>
  readonly #startedAt: number
  readonly #workers: WorkerTable
  readonly #known: KnownModels
  readonly #complaints = new Set<string>()
  /** Undefined until the workers were read for the first time. */
  #settledAt: number | undefined
  /** Redis has had models, so it has lost its data if it has none. */
  #hasRecalled = false
  #view: View | undefined

  constructor(options: DirectoryOptions) {
    const {
      queues,
      settings,
      clock = systemClock,
      renewMs = RENEW_MS,
      silentMs = SILENT_MS,
    } = options
    this.#options = options
    this.#clock = clock
    this.#settleMs = 2 * renewMs
    this.#settings = new Map(settings.map((setting) => [setting.id, setting]))
    this.#startedAt = clock.date()
    this.#workers = new WorkerTable(() => clock.now(), silentMs)
    this.#known = new KnownModels(queues, clock)
  }

  route(id: string, endpoint?: Endpoint): ModelRoute | undefined {
    const { carriesBodies } = this.#options.dialect
    const setting = this.#settings.get(id)
    if (setting !== undefined) {
      const { queue, name } = setting
      const isVerbatimThere = carriesBodies && this.#isVerbatimAt(queue, name)
      const route = { queue, name, isVerbatim: isVerbatimThere }
      return this.#offersAt(queue, name, endpoint) ? route : { ...route, lacksEndpoint: true }
    }
    const places = this.#current().places.get(id)
    if (places === undefined) return undefined
    const { queue, serving, offersEndpoint, ...known } = bestPlace(places, endpoint)
    const carries = serving?.isVerbatim ?? known.isVerbatim
    const route = { queue, name: id, isVerbatim: carriesBodies && carries }
    return offersEndpoint ? route : { ...route, lacksEndpoint: true }
  }

  all(): readonly Model[] {
    const set = Array.from(this.#settings.values(), ({ id, queue, name }) => ({
      id,
      createdAt: this.#known.get(queue, name)?.createdAt ?? this.#startedAt,
      ownedBy: queue,
      isServed: this.#current().servings.has(placeOf(queue, name)) || this.#hasOthers(queue),
    }))
    const announced = Array.from(this.#current().places.values(), (places) => bestPlace(places))
      .filter(({ name }) => !this.#settings.has(name))
      .map(({ name, queue, createdAt, serving }) => ({
        id: name,
        createdAt,
        ownedBy: queue,
        isServed: serving !== undefined,
      }))
    return [...set, ...announced.toSorted((a, b) => (a.id < b.id ? -1 : 1))]
  }

  settlesInMs(): number {
    if (this.#settledAt === undefined) return this.#settleMs
    return Math.max(0, this.#settledAt - this.#clock.now())
  }

  /** Whether something is to be remembered by it. */
  heard(said: Announcement, value: string): boolean {
    const hearing = this.#workers.heard(said, value)
    if (hearing === 'stopped') return false
    if (hearing === 'changed') this.#view = undefined
    if (!this.#accepts(said)) return false
    if (hearing === 'changed') this.#tell(said)
    this.#known.note(said)
    return hearing === 'changed'
  }

  stopped(stop: WorkerStop): void {
    if (!this.#workers.stop(stop)) return
    this.#view = undefined
    this.#options.log.info({ worker: stop.worker }, 'worker.stopped')
  }

  /**
   * All that Redis knew of the workers at some time after `since`, and of the models that were
   * announced before. `isEmptied`: it knew of no model, so it may have lost the workers as well.
   */
  read(fields: readonly WorkerField[], since: number, isEmptied: boolean): void {
    const isLost = isEmptied && this.#hasRecalled
    const news = this.#workers.read(fields, since, !isLost)
    for (const said of news) if (this.#accepts(said)) this.#tell(said)
    this.#view = undefined
    for (const said of this.#workers.live()) if (this.#accepts(said)) this.#known.note(said)
    this.#settledAt = this.#clock.now() + (isEmptied ? this.#settleMs : 0)
  }

  /** No worker can be heard. What no setting names does not exist then. */
  cannotHear(): void {
    this.#settledAt = this.#clock.now()
  }

  recall(models: readonly ModelMemory[]): void {
    if (models.length > 0) this.#hasRecalled = true
    this.#known.recall(models)
    this.#view = undefined
  }

  toRemember(): readonly ModelMemory[] {
    return this.#known.all()
  }

  silent(): readonly WorkerField[] {
    return this.#workers.silent()
  }

  forget(found: WorkerField): void {
    if (this.#workers.forget(found)) this.#options.log.warn({ worker: found.worker }, 'worker.lost')
  }

  /** Of each queue, also of those without a worker. */
  queues(): readonly AnnouncedQueue[] {
    const live = this.#workers.live().filter((said) => this.#accepts(said))
    return this.#options.queues.map((queue) => {
      const here = live.filter((said) => said.queue === queue)
      const sum = (of: 'running' | 'concurrency') => here.reduce((all, said) => all + said[of], 0)
      return {
        queue,
        workers: here.length,
        running: sum('running'),
        concurrency: sum('concurrency'),
      }
    })
  }

  /** One line for a person. */
  describe(): string {
    return this.queues()
      .map(
        ({ queue, workers, running, concurrency }) =>
          `queue ${queue}: workers announced ${workers}, jobs running ${running} of ${concurrency}`,
      )
      .join('; ')
  }

  /** By the clock that `since` is of. */
  now(): number {
    return this.#clock.now()
  }

  #tell({ worker, queue, models }: Announcement): void {
    this.#options.log.info({ worker, queue, models: models.length }, 'worker.announced')
  }

  /** Workers of other queues and dialects may share a Redis with ours. */
  #accepts({ worker, queue, dialect = this.#options.dialect.name }: Announcement): boolean {
    const isServed = this.#options.queues.includes(queue)
    if (!isServed) this.#complainOnce({ worker, queue }, 'worker.of_another_queue')
    const isSpoken = dialect === this.#options.dialect.name
    if (isServed && !isSpoken)
      this.#complainOnce({ worker, queue, dialect }, 'worker.of_another_dialect')
    return isServed && isSpoken
  }

  #complainOnce(fields: { worker: string; queue: string; dialect?: string }, event: string): void {
    const { worker: _, ...what } = fields
    const complaint = JSON.stringify([event, what])
    if (this.#complaints.has(complaint) || this.#complaints.size >= MAX_COMPLAINTS) return
    this.#complaints.add(complaint)
    this.#options.log.warn(fields, event)
  }

  /** Where no worker serves it now: as it was served last. A worker that does not announce itself takes text. */
  #isVerbatimAt(queue: string, name: string): boolean {
    const serving = this.#current().servings.get(placeOf(queue, name))
    return serving?.isVerbatim ?? this.#known.get(queue, name)?.isVerbatim ?? false
  }

  /** A worker that does not announce itself is taken to serve every endpoint. */
  #offersAt(queue: string, name: string, endpoint?: Endpoint): boolean {
    if (endpoint === undefined || this.#hasOthers(queue)) return true
    return offers(this.#current().servings.get(placeOf(queue, name)), endpoint)
  }

  /** Whether the broker sees more workers at the queue than have announced themselves. */
  #hasOthers(queue: string): boolean {
    const announced = this.queues().find((each) => each.queue === queue)?.workers ?? 0
    return (this.#options.consumersOf(queue) ?? 0) > announced
  }

  /** Made again when a worker has come, changed or stopped, and when one has been silent for too long. */
  #current(): View {
    if (this.#view === undefined || this.#clock.now() >= this.#view.until) this.#view = this.#look()
    return this.#view
  }

  #look(): View {
    const servings = servingsOf(this.#workers.live().filter((said) => this.#accepts(said)))
    const places = placesOf(this.#known.current(), servings)
    return { until: Math.min(this.#workers.liveUntil(), this.#known.until()), places, servings }
  }
}

const systemClock: DirectoryClock = { now: () => performance.now(), date: () => Date.now() }
