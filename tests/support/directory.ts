import { encodeAnnouncement } from '../../src/announcement.ts'
import { ModelDirectory } from '../../src/gateway/model-directory.ts'
import type { Announcement, WorkerField } from '../../src/announcement.ts'
import type { DirectoryOptions } from '../../src/gateway/model-directory.ts'

export const DATE = 1_790_000_000_000

export const modelOf = (name: string, form = 'verbatim') => ({ name, capabilities: [form, 'chat'] })

/** What a worker says that serves `models`. */
export function said(worker: string, models: readonly string[], more: Partial<Announcement> = {}) {
  const instance = `${worker}-1`
  const all = models.map((name) => modelOf(name))
  return { worker, instance, queue: 'q', models: all, concurrency: 4, running: 1, ...more }
}

const field = (announcement: Announcement): WorkerField => ({
  worker: announcement.worker,
  value: encodeAnnouncement(announcement),
  announcement,
})

/** A directory of a gateway that serves `q` and `other`, with a clock that the test moves. */
export function directoryScene(more: Partial<DirectoryOptions> = {}) {
  let now = 1_000
  const warnings: [object, string | undefined][] = []
  const directory = new ModelDirectory({
    queues: ['q', 'other'],
    dialect: { name: 'protollm-v1', carriesBodies: true },
    settings: [],
    consumersOf: () => undefined,
    log: {
      info: () => {},
      warn: (fields: object, event?: string) => void warnings.push([fields, event]),
    } as unknown as DirectoryOptions['log'],
    clock: { now: () => now, date: () => DATE + now },
    ...more,
  })
  return {
    directory,
    warnings,
    hear: (announcement: Announcement) =>
      directory.heard(announcement, encodeAnnouncement(announcement)),
    stop: (worker: string, instance = `${worker}-1`) =>
      directory.stopped({ worker, instance, stopped: true }),
    /** What the hash holds, read at once. */
    read: (announcements: readonly Announcement[], isEmptied = false, since = now) =>
      directory.read(announcements.map(field), since, isEmptied),
    pass: (ms: number) => void (now += ms),
    /** The models that a worker serves now. */
    served: () => directory.all().flatMap(({ id, isServed }) => (isServed ? [id] : [])),
    known: () => directory.all().map(({ id }) => id),
    workers: () => directory.queues().map(({ workers }) => workers),
  }
}
