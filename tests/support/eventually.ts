import { setTimeout as delay } from 'node:timers/promises'

/**
 * Waits until `look` gives a value other than false, undefined or null, and
 * returns it. Fails with the label and the last thing seen when it never does.
 */
export async function eventually<T>(
  label: string,
  look: () => T | Promise<T>,
  timeoutMs = 10_000,
): Promise<Exclude<T, false | undefined | null>> {
  const started = performance.now()
  for (;;) {
    let seen: unknown
    try {
      const value = await look()
      if (value !== false && value !== undefined && value !== null) {
        return value as Exclude<T, false | undefined | null>
      }
      seen = value
    } catch (error) {
      seen = error
    }
    const waitedMs = performance.now() - started
    if (waitedMs > timeoutMs) throw new Error(`never: ${label} (last: ${String(seen)})`)
    // A test that has waited long looks less often, because a look may cost a request.
    await delay(Math.min(10 + waitedMs / 20, 100))
  }
}
