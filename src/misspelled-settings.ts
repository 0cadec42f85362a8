import type { Env } from './read-settings.ts'

/** The name of a variable that is no setting, and the setting that it probably means. */
export interface Misspelled {
  readonly name: string
  readonly nearest: string
}

/**
 * The variables whose names are nearly those of settings. They have no effect, and their program
 * runs with a default that its operator does not expect. An empty variable counts as unset.
 */
export function misspelledIn(env: Env, settings: readonly string[]): readonly Misspelled[] {
  const known = new Set(settings.flatMap((name) => [name, `${name}_FILE`]))
  return Object.keys(env)
    .filter((name) => env[name] && !known.has(name))
    .flatMap((name) => {
      const nearest = nearestOf(name, known)
      return nearest === undefined ? [] : [{ name, nearest }]
    })
}

/** A short name has too many neighbours: `MODE` is no misspelled `MODELS`. */
const maxDistanceOf = (name: string): number => (name.length < 8 ? 1 : 2)

function nearestOf(name: string, known: ReadonlySet<string>): string | undefined {
  const meant = name.toUpperCase().replaceAll('-', '_')
  const distances = Array.from(known, (setting) => ({ setting, by: distance(meant, setting) }))
  const near = distances.filter(({ setting, by }) => by <= maxDistanceOf(setting))
  return near.toSorted((a, b) => a.by - b.by)[0]?.setting
}

/** How many characters must be put in, left out, replaced, or exchanged with the next one. */
function distance(from: string, to: string): number {
  // Three rows of the table of all beginnings are enough.
  let [beforeLast, last] = [[] as number[], Array.from({ length: to.length + 1 }, (_, at) => at)]
  for (let i = 1; i <= from.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= to.length; j += 1) {
      const isSame = from[i - 1] === to[j - 1]
      const isExchanged = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
      row[j] = Math.min(
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (isSame ? 0 : 1),
        isExchanged ? (beforeLast[j - 2] ?? 0) + 1 : Infinity,
      )
    }
    ;[beforeLast, last] = [last, row]
  }
  return last[to.length] ?? 0
}
