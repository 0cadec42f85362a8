import * as v from 'valibot'
import { Problem, isVisible, UNSEEN } from './setting.ts'
import type { ModelSetting } from './models.ts'

/** A model, and the rest of its entry: a queue, and behind a colon the worker's name for it. */
interface ModelEntry {
  readonly id: string
  readonly place: string
}

const isEntry = (item: string): boolean => /^[^=]*[^=\s][^=]*=./.test(item)
const isRepeated = ({ id }: ModelEntry, at: number, all: readonly ModelEntry[]): boolean =>
  all.findIndex((other) => other.id === id) < at

/** `name=queue[:worker's name],…` */
export const modelList = v.pipe(
  v.string(),
  v.check(isVisible, UNSEEN),
  v.transform((value) => value.split(',').map((item) => item.trim())),
  v.transform((items) => items.filter((item) => item !== '')),
  v.check(
    (items) => items.every(isEntry),
    ({ input }) =>
      `must be name=queue or name=queue:worker's-name, separated by commas${namedBy(input, (item) => !isEntry(item))}`,
  ),
  v.transform((items) => items.map(entryOf)),
  v.check(
    (entries) => !entries.some(isRepeated),
    ({ input }) => `must name each model once${namedBy(input, isRepeated)}`,
  ),
)

/** The models of these entries; a Problem where some name a queue that is not served. */
export function modelSettingsOf(
  entries: readonly ModelEntry[],
  queues: readonly string[],
): readonly ModelSetting[] | Problem {
  const settings = entries.map(({ id, place }) => settingOf(id, place, queues))
  const found = settings.filter((setting) => setting !== undefined)
  if (found.length === settings.length) return found
  const named = namedBy(settings, (setting) => setting === undefined)
  return new Problem(`MODELS must name queues that are in QUEUE_NAME or ALLOWED_QUEUES${named}`)
}

/** Says by their numbers which entries are wrong: what an entry says is never shown. */
function namedBy<T>(
  items: readonly T[],
  isWrong: (item: T, index: number, all: readonly T[]) => boolean,
): string {
  const numbers = items.flatMap((item, at) => (isWrong(item, at, items) ? [at + 1] : []))
  return numbers.length === 1
    ? ` (entry ${numbers.join()} does not)`
    : ` (entries ${numbers.join(', ')} do not)`
}

function entryOf(item: string): ModelEntry {
  const at = item.indexOf('=')
  return { id: item.slice(0, at).trim(), place: item.slice(at + 1).trim() }
}

/** A queue's own name may have colons, and a model's, too: the longest queue that fits is meant. */
function settingOf(id: string, place: string, queues: readonly string[]): ModelSetting | undefined {
  const fits = queues.filter((queue) => place === queue || place.startsWith(`${queue}:`))
  const queue = fits.toSorted((a, b) => b.length - a.length)[0]
  if (queue === undefined) return undefined
  const name = place.slice(queue.length + 1).trim()
  return { id, queue, name: name === '' ? id : name }
}
