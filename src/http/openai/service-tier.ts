/** How soon a job is taken from a queue that has priorities. */
export type Tier = 'flex' | 'default' | 'priority'

/** The tier that a client asks for; undefined where it names none. */
export function tierOf(given: unknown): Tier | undefined {
  if (typeof given !== 'string') return undefined
  if (given === 'flex') return 'flex'
  return given === 'priority' || given === 'fast' ? 'priority' : 'default'
}

/** The tier that a job gets, and its priority. A queue without priorities knows the default alone. */
export function priorityOf(
  asked: Tier | undefined,
  maxPriority: number | undefined,
): { readonly tier: Tier | undefined; readonly priority: number | null } {
  if (asked === undefined) return { tier: undefined, priority: null }
  if (maxPriority === undefined || asked === 'default') return { tier: 'default', priority: null }
  return asked === 'flex'
    ? { tier: 'flex', priority: 0 }
    : { tier: 'priority', priority: maxPriority }
}
