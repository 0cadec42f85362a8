import * as v from 'valibot'
import { isVisible, UNSEEN } from './setting.ts'
import type { ModelSetting } from './models.ts'

/** A model, and the rest of its entry: a queue, and behind a colon the worker's name for it. */
interface ModelEntry {
  readonly id: string
  readonly place: string
}

/** `name=queue[:worker's name],…` */
export const modelList = v.pipe(
  v.string(),
  v.check(isVisible, UNSEEN),
  v.transform((value) => value.split(',').map((item) => item.trim())),
  v.transform((items) => items.filter((item) => item !== '')),
  v.check(
    (items) => items.every((item) => /^[^=]*[^=\s][^=]*=./.test(item)),
    "must be name=queue or name=queue:worker's-name, separated by commas",
  ),
  v.transform((items) => items.map(entryOf)),
  v.check(
    (entries) => new Set(entries.map(({ id }) => id)).size === entries.length,
    'must name each model once',
  ),
)

/** The models of these entries; undefined where one names a queue that is not served. */
export function modelSettingsOf(
  entries: readonly ModelEntry[],
  queues: readonly string[],
): readonly ModelSetting[] | undefined {
  const settings = entries.map(({ id, place }) => settingOf(id, place, queues))
  return settings.includes(undefined) ? undefined : (settings as ModelSetting[])
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
