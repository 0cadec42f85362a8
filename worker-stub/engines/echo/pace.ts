import { setTimeout as delay } from 'node:timers/promises'

/** So far apart it looks at the clock at least: at 10,000 words a second, not one timer for each. */
const TICK_MS = 5

export interface Pace {
  /** How fast the engine "generates"; 0 is at once. A token is a word here. */
  readonly tokensPerS: number
  readonly signal: AbortSignal
}

/** A text word by word, each with the space behind it. */
export const wordsOf = (text: string): readonly string[] => text.match(/\S+\s*/g) ?? []

/** Calls `onStep` with 0, 1, 2, … by the clock: a timer that was late is caught up with. */
export async function paced(
  steps: number,
  { tokensPerS, signal }: Pace,
  onStep: (step: number) => void,
): Promise<void> {
  const msPerStep = tokensPerS > 0 ? 1000 / tokensPerS : 0
  const start = performance.now()
  for (let done = 0; done < steps;) {
    const elapsed = performance.now() - start
    const due = msPerStep === 0 ? steps : Math.min(steps, Math.floor(elapsed / msPerStep))
    for (; done < due; done += 1) onStep(done)
    const next = Math.max((done + 1) * msPerStep, elapsed + TICK_MS)
    const last = steps * msPerStep
    if (done < steps) await delay(Math.min(next, last) - elapsed, undefined, { signal })
  }
}
