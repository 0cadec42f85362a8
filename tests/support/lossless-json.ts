/** JSON of which nothing is lost: numbers as their source, objects as all their members in order. */
export type Lossless =
  | string
  | { readonly literal: string }
  | readonly Lossless[]
  | { readonly members: readonly (readonly [string, Lossless])[] }

const TOKEN = /\s*("(?:[^"\\]|\\.)*"|[^\s{}[\],:]+|[{}[\],:])/gy

/** Written apart from what it tests, and slow. */
export function parseLossless(text: string): Lossless {
  const tokens = [...text.matchAll(TOKEN)].map(([, token]) => token as string)
  let at = 0
  const next = (): string => tokens[at++] as string
  const value = (): Lossless => {
    const token = next()
    if (token === '[') {
      const items: Lossless[] = []
      while (tokens[at] !== ']') {
        items.push(value())
        if (tokens[at] === ',') at += 1
      }
      at += 1
      return items
    }
    if (token === '{') {
      const members: [string, Lossless][] = []
      while (tokens[at] !== '}') {
        const name = JSON.parse(next()) as string
        at += 1
        members.push([name, value()])
        if (tokens[at] === ',') at += 1
      }
      at += 1
      return { members }
    }
    return token.startsWith('"') ? (JSON.parse(token) as string) : { literal: token }
  }
  const found = value()
  if (at !== tokens.length) throw new Error('there is more behind the value')
  return found
}

/** An object without some of its members. */
export function without(found: Lossless, names: readonly string[]): Lossless {
  if (typeof found !== 'object' || !('members' in found)) throw new Error('it is no object')
  return { members: found.members.filter(([name]) => !names.includes(name)) }
}
