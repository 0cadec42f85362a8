/** Numbers from 0 to 1 that look random and are the same for a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Picks one of several, by such a number. */
export const pickOf =
  (random: () => number) =>
  <T>(all: readonly T[]): T =>
    all[Math.floor(random() * all.length)] as T
