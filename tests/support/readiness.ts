import type { PartHealth } from '../../src/http/operations.ts'

/** What `/readyz` says, by the names of its parts. */
export async function partsOf(url: string): Promise<Record<string, PartHealth>> {
  const response = await fetch(`${url}/readyz`)
  const { parts } = (await response.json()) as { parts: PartHealth[] }
  return Object.fromEntries(parts.map((part) => [part.name, part]))
}

/** All details of the parts that are not ready, in one text. */
export async function problemsOf(url: string): Promise<string> {
  const parts = Object.values(await partsOf(url))
  return parts
    .filter(({ ready }) => !ready)
    .map(({ detail }) => detail)
    .join('; ')
}
