import { elementsOf, membersOf, sourceAt, withMembers, withSourceAt } from '../../json-source.ts'
import type { Changes } from '../../json-source.ts'

/** Changes to an engine's JSON that leave all else as its source text. */

/** What the gateway says of each answer and chunk in place of the engine. */
export interface Envelope {
  readonly id: string
  readonly object: string
  /** In seconds since 1970. */
  readonly created: number
  /** As the client asked for it. */
  readonly model: string
  readonly tier: string | undefined
}

/**
 * What makes an engine's answer or chunk that of the gateway. It is the same for every chunk of
 * a stream. An `object` that the engine gave stays.
 */
export const changesOf = ({ id, object, created, model, tier }: Envelope): Changes => ({
  id: JSON.stringify(id),
  object: { usual: JSON.stringify(object) },
  created: String(created),
  model: JSON.stringify(model),
  ...(tier !== undefined && { service_tier: JSON.stringify(tier) }),
})

const REASONINGS = ['reasoning', 'reasoning_content'] as const

/**
 * Engines name the thoughts of a model in two ways, and so do clients. Where only one name is
 * there, each choice's message or delta gets the other one, too.
 */
export function withBothReasonings(source: string, holder: 'message' | 'delta'): string {
  // A name may also be written with escapes. Most answers have neither, and are not searched.
  if (!source.includes('reasoning') && !source.includes('\\u')) return source
  const choices = sourceAt(source, ['choices'])
  if (!choices?.startsWith('[')) return source
  const both = elementsOf(choices).map((choice) => withBoth(choice, holder))
  return withSourceAt(source, ['choices'], `[${both.join(',')}]`)
}

function withBoth(choice: string, holder: string): string {
  const held = sourceAt(choice, [holder])
  if (!held?.startsWith('{')) return choice
  const members = membersOf(held)
  const [known, ...more] = REASONINGS.filter((name) => members.has(name))
  if (known === undefined || more.length > 0) return choice
  const [other = ''] = REASONINGS.filter((name) => name !== known)
  return withSourceAt(choice, [holder], withMembers(held, { [other]: members.get(known) }))
}

/** The choices of an answer or chunk, as source text. */
export function choicesIn(source: string): string[] {
  const choices = sourceAt(source, ['choices'])
  return choices?.startsWith('[') ? elementsOf(choices) : []
}
