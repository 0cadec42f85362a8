/** The middle of some values, and the two between which half of them lie. */
export interface Quartiles {
  readonly q1: number
  readonly median: number
  readonly q3: number
}

/** The value below which this share lies; between two values in proportion. NaN of none. */
export function quantile(sorted: readonly number[], share: number): number {
  const position = (sorted.length - 1) * share
  const [below, above] = [sorted[Math.floor(position)], sorted[Math.ceil(position)]]
  if (below === undefined || above === undefined) return Number.NaN
  return below + (above - below) * (position - Math.floor(position))
}

const sort = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b)

export const median = (values: readonly number[]): number => quantile(sort(values), 0.5)

export function quartiles(values: readonly number[]): Quartiles {
  const sorted = sort(values)
  const [q1, middle, q3] = [0.25, 0.5, 0.75].map((share) => quantile(sorted, share))
  return { q1, median: middle, q3 } as Quartiles
}

/** Value by base within each round, because two rounds are not alike: the machine is shared. */
export function pairedRatio(values: readonly number[], bases: readonly number[]): Quartiles {
  if (values.length !== bases.length) throw new Error('a round lacks one of its pair')
  return quartiles(values.map((value, round) => value / (bases[round] as number)))
}

/**
 * The order of a round: turned by one after each two rounds, and reversed in
 * every second. So each comes as often before another as after it.
 */
export function orderOf<T>(entries: readonly T[], round: number): T[] {
  const turn = Math.floor(round / 2) % Math.max(1, entries.length)
  const turned = [...entries.slice(turn), ...entries.slice(0, turn)]
  return round % 2 === 0 ? turned : turned.toReversed()
}
