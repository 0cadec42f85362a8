import type { JobEvent } from '../../job.ts'

/**
 * A job that fails at once is answered with the status of its error, which is possible only
 * before the stream has begun. So the first batch waits this long for the first words.
 */
export const HOLD_MS = 2_000

/** The same events. The first batch has the first words or the end, or comes after `holdMs`. */
export async function* heldBack(
  batches: AsyncGenerator<readonly JobEvent[]>,
  holdMs: number,
): AsyncGenerator<readonly JobEvent[]> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, holdMs, undefined)
  })
  const held: JobEvent[] = []
  try {
    let next = batches.next()
    for (;;) {
      const found = await Promise.race([next, over])
      if (found === undefined) break
      if (found.done) return yield held
      held.push(...found.value)
      if (found.value.some(({ kind }) => kind !== 'status')) {
        yield held
        return yield* batches
      }
      next = batches.next()
    }
    yield held
    for (let found = await next; !found.done; found = await batches.next()) yield found.value
  } finally {
    clearTimeout(timer)
    await batches.return(undefined)
  }
}
