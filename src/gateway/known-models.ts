import { KNOWN_MS } from '../announcement.ts'
import type { Announcement } from '../announcement.ts'
import type { ModelMemory } from '../models.ts'

export interface DirectoryClock {
  /** Never runs backwards. */
  now(): number
  /** Milliseconds since 1970. */
  date(): number
}

export interface KnownModel extends Omit<ModelMemory, 'ageMs'> {
  /** When it was announced last, by our own clock. */
  readonly heardAt: number
}

/** The models of the last 24 hours at the queues that the gateway serves. */
export class KnownModels {
  readonly #clock: DirectoryClock
  /** By queue, in the order of preference, and by name. */
  readonly #models: ReadonlyMap<string, Map<string, KnownModel>>

  constructor(queues: readonly string[], clock: DirectoryClock) {
    this.#models = new Map(queues.map((queue) => [queue, new Map<string, KnownModel>()]))
    this.#clock = clock
  }

  get(queue: string, name: string): KnownModel | undefined {
    return this.#models.get(queue)?.get(name)
  }

  /** A worker serves these models now. */
  note({ queue, models }: Announcement): void {
    const known = this.#models.get(queue)
    const heardAt = this.#clock.now()
    for (const { name, capabilities } of models) {
      const createdAt = known?.get(name)?.createdAt ?? this.#clock.date()
      known?.set(name, { queue, name, isVerbatim: isVerbatim(capabilities), createdAt, heardAt })
    }
  }

  /** What another gateway, or this one before it was restarted, has heard. */
  recall(models: readonly ModelMemory[]): void {
    for (const { ageMs, ...model } of models) {
      const heardAt = this.#clock.now() - ageMs
      const known = this.get(model.queue, model.name)
      const createdAt = Math.min(model.createdAt, known?.createdAt ?? model.createdAt)
      if (known === undefined || known.heardAt < heardAt)
        this.#set({ ...model, createdAt, heardAt })
      else this.#set({ ...known, createdAt })
    }
  }

  all(): readonly ModelMemory[] {
    const now = this.#clock.now()
    return this.current().map(({ heardAt, ...model }) => ({ ...model, ageMs: now - heardAt }))
  }

  current(): readonly KnownModel[] {
    const since = this.#clock.now() - KNOWN_MS
    const all = Array.from(this.#models.values()).flatMap((models) => Array.from(models.values()))
    for (const { queue, name, heardAt } of all) {
      if (heardAt <= since) this.#models.get(queue)?.delete(name)
    }
    return all.filter(({ heardAt }) => heardAt > since)
  }

  /** When the first of them is known no more, unless it is announced before. */
  until(): number {
    return Math.min(...this.current().map(({ heardAt }) => heardAt + KNOWN_MS))
  }

  #set(model: KnownModel): void {
    this.#models.get(model.queue)?.set(model.name, model)
  }
}

/** Whether a worker carries the whole bodies of endpoints for a model. */
export const isVerbatim = (capabilities: readonly string[]): boolean =>
  capabilities.includes('verbatim')
