import { ENDPOINTS } from '../announcement.ts'
import { isVerbatim } from './known-models.ts'
import type { Announcement } from '../announcement.ts'
import type { Endpoint } from '../models.ts'
import type { KnownModel } from './known-models.ts'

/** What the workers of a model at a queue say together that are there now. */
interface Serving {
  /** Every one carries whole bodies: any of them may get the job. */
  readonly isVerbatim: boolean
  /** Undefined where one of them named no endpoint: it is taken to serve all. */
  readonly endpoints: ReadonlySet<string> | undefined
}

/** By `placeOf`. A model at a queue where no worker serves it has none. */
export type Servings = ReadonlyMap<string, Serving>

/** A model at a queue. */
export interface Place extends KnownModel {
  /** Undefined where no worker serves it now. */
  readonly serving: Serving | undefined
}

/** One text for each pair, whatever characters the names have. */
export const placeOf = (queue: string, name: string): string => JSON.stringify([queue, name])

export const offers = (serving: Serving | undefined, endpoint: Endpoint): boolean =>
  serving?.endpoints === undefined || serving.endpoints.has(endpoint)

export function servingsOf(live: readonly Announcement[]): Servings {
  const servings = new Map<string, Serving>()
  for (const { queue, models } of live) {
    for (const { name, capabilities } of models) {
      const place = placeOf(queue, name)
      const before = servings.get(place)
      const named = new Set(capabilities.filter((one) => ENDPOINTS.has(one)))
      const others = before === undefined ? new Set<string>() : before.endpoints
      servings.set(place, {
        isVerbatim: (before?.isVerbatim ?? true) && isVerbatim(capabilities),
        endpoints:
          named.size === 0 || others === undefined ? undefined : new Set([...others, ...named]),
      })
    }
  }
  return servings
}

/** The places of each model, by its name, those of preferred queues first. */
export function placesOf(
  known: readonly KnownModel[],
  servings: Servings,
): ReadonlyMap<string, readonly [Place, ...Place[]]> {
  const places = new Map<string, [Place, ...Place[]]>()
  for (const model of known) {
    const place = { ...model, serving: servings.get(placeOf(model.queue, model.name)) }
    const others = places.get(model.name)
    if (others === undefined) places.set(model.name, [place])
    else others.push(place)
  }
  return places
}

/**
 * Where the jobs of a model go: the first place where a worker serves the endpoint now. Where no
 * worker serves the model, the place where it was served last. `offersEndpoint` is false where
 * workers serve the model and none of them the endpoint.
 */
export function bestPlace(
  places: readonly [Place, ...Place[]],
  endpoint?: Endpoint,
): Place & { readonly offersEndpoint: boolean } {
  const live = places.filter(({ serving }) => serving !== undefined)
  const fitting = live.find(({ serving }) => endpoint === undefined || offers(serving, endpoint))
  const last = places.reduce((best, one) => (one.heardAt > best.heardAt ? one : best))
  const offersEndpoint = live.length === 0 || fitting !== undefined
  return { ...(fitting ?? live[0] ?? last), offersEndpoint }
}
