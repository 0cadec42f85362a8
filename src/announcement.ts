import * as v from 'valibot'

/** A worker announces itself so often. A gateway counts on that. */
export const RENEW_MS = 4_000
/** A gateway that has not heard a worker for so long takes it for dead. */
export const SILENT_MS = 12_000
/** A model once announced is known for so long: its clients wait or are told to come again, instead of being sent away. */
export const KNOWN_MS = 24 * 3_600_000

/** The endpoints that a worker may name. One that names none is taken to serve all. */
export const ENDPOINTS: ReadonlySet<string> = new Set(['chat', 'completions', 'embeddings'])

/** What a worker can do with a model. */
export interface AnnouncedModel {
  readonly name: string
  /** `text` or `verbatim`, and the endpoints that the model serves: `chat`, `completions`, `embeddings`. */
  readonly capabilities: readonly string[]
}

/** What a worker says of itself. */
export interface Announcement {
  /** Its name, and its field in the hash of all workers. */
  readonly worker: string
  /** Random, and new for each process: a stop ends this process alone, also where the next one has the same name. */
  readonly instance: string
  readonly queue: string
  /** The kind of worker; absent where it does not say. */
  readonly dialect?: string | undefined
  readonly models: readonly AnnouncedModel[]
  /** Jobs that it runs at a time at most, and that it runs now. */
  readonly concurrency: number
  readonly running: number
  readonly version?: string | undefined
  /** When it started, in ms since 1970 by its own clock. For people: no clock is compared with it. */
  readonly started?: number | undefined
}

/** The last word of a process: it takes no further jobs. */
export interface WorkerStop {
  readonly worker: string
  readonly instance: string
  readonly stopped: true
}

/** A field of the hash of all workers. */
export interface WorkerField {
  readonly worker: string
  readonly value: string
  /** Undefined where the value cannot be read. */
  readonly announcement: Announcement | undefined
}

/** A longer message is not read. */
const MAX_LENGTH = 256 * 1024

const name = v.pipe(v.string(), v.minLength(1), v.maxLength(512))
const count = v.nullish(v.pipe(v.number(), v.integer(), v.minValue(0)), 0)
const maybe = <T extends v.GenericSchema>(schema: T) =>
  v.pipe(
    v.nullish(schema),
    v.transform((value) => value ?? undefined),
  )
/** Where it does not say more, a worker takes messages and gives text. */
const TEXT_ONLY = ['text', 'chat', 'completions']

const Model = v.union([
  v.pipe(
    name,
    v.transform((model) => ({ name: model, capabilities: TEXT_ONLY })),
  ),
  v.object({
    name,
    capabilities: v.nullish(v.pipe(v.array(name), v.maxLength(32)), TEXT_ONLY),
  }),
])
const Process = { worker: name, instance: name }
const Here = v.object({
  ...Process,
  queue: name,
  dialect: maybe(name),
  models: v.pipe(v.array(Model), v.maxLength(1_000)),
  concurrency: count,
  running: count,
  version: maybe(v.string()),
  started: maybe(v.number()),
})
const Stop = v.object({ ...Process, stopped: v.literal(true) })

export const encodeAnnouncement = (said: Announcement | WorkerStop): string => JSON.stringify(said)

/** What a worker said; or what is wrong with it, without any value of it. */
export function decodeAnnouncement(
  text: string,
): Announcement | WorkerStop | { readonly problem: string } {
  if (text.length > MAX_LENGTH) return { problem: `longer than ${MAX_LENGTH} characters` }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return { problem: 'not JSON' }
  }
  const isStop = v.is(v.object({ stopped: v.literal(true) }), json)
  const parsed = v.safeParse(isStop ? Stop : Here, json, { abortPipeEarly: true })
  if (parsed.success) return parsed.output
  const places = parsed.issues.map((issue) => v.getDotPath(issue) ?? 'not an object')
  return { problem: `not of the form: ${[...new Set(places)].slice(0, 5).join(', ')}` }
}
