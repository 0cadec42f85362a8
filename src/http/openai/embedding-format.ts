import { setImmediate as turn } from 'node:timers/promises'
import { elementsOf, membersOf, withMembers } from '../../json-source.ts'

export type EmbeddingFormat = 'float' | 'base64'

/** Embeddings are converted so many at a time, so that other requests get their turn between them. */
const AT_ONCE = 64

/**
 * An engine's embeddings in the format that the client asked for, whichever it gave. The usual
 * clients ask for base64 and take a list of numbers for nothing, without an error.
 */
export async function inFormat(answer: string, format: EmbeddingFormat): Promise<string> {
  const data = membersOf(answer).get('data')
  if (!data?.startsWith('[')) return answer
  const items = elementsOf(data)
  const converted: string[] = []
  for (const [index, item] of items.entries()) {
    converted.push(itemIn(item, format))
    if (index % AT_ONCE === AT_ONCE - 1) await turn()
  }
  if (converted.every((item, index) => item === items[index])) return answer
  return withMembers(answer, { data: `[${converted.join(',')}]` })
}

function itemIn(item: string, format: EmbeddingFormat): string {
  if (!item.startsWith('{')) return item
  const embedding = membersOf(item).get('embedding')
  if (embedding?.startsWith('[') && format === 'base64') {
    return withMembers(item, { embedding: JSON.stringify(base64Of(JSON.parse(embedding))) })
  }
  if (embedding?.startsWith('"') && format === 'float') {
    return withMembers(item, { embedding: JSON.stringify(floatsOf(JSON.parse(embedding))) })
  }
  return item
}

/** Little-endian numbers of 32 bits, whatever the order of this machine. */
function base64Of(floats: readonly number[]): string {
  const bytes = Buffer.allocUnsafe(floats.length * 4)
  for (const [index, float] of floats.entries()) bytes.writeFloatLE(float, index * 4)
  return bytes.toString('base64')
}

function floatsOf(base64: string): number[] {
  const bytes = Buffer.from(base64, 'base64')
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, at) => bytes.readFloatLE(at * 4))
}
