/** A text that grows, or a JSON text that stays as it came: through `JSON.parse`, some numbers become others. */
type Value = string | { readonly source: string }

/** The source text of a value; asked only for what is no text. */
export type SourceOf = () => string

export const isNothing = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === '' ||
  (Array.isArray(value) && value.length === 0)

/**
 * The fields of an object that comes in pieces. A null says nothing: it stays only where no
 * piece has a value. Every method returns by how many characters the object has grown.
 */
export class MergedFields {
  readonly #values = new Map<string, Value>()

  has(name: string): boolean {
    const value = this.#values.get(name)
    return value !== undefined && value !== '' && !isNull(value)
  }

  /** Of texts, all pieces; of anything else, the last one. */
  append(name: string, value: unknown, sourceOf: SourceOf): number {
    if (typeof value !== 'string') return this.replace(name, value, sourceOf)
    const known = this.#values.get(name)
    this.#values.set(name, typeof known === 'string' ? known + value : value)
    return value.length
  }

  /** The last value. */
  replace(name: string, value: unknown, sourceOf: SourceOf): number {
    if (value === undefined || (value === null && this.#values.has(name))) return 0
    const kept = typeof value === 'string' ? value : { source: sourceOf() }
    this.#values.set(name, kept)
    return typeof kept === 'string' ? kept.length : kept.source.length
  }

  /** The first value that says something. */
  keep(name: string, value: unknown, sourceOf: SourceOf): number {
    const isNews = isNothing(value) ? !this.#values.has(name) : !this.has(name)
    return isNews ? this.replace(name, value, sourceOf) : 0
  }

  /** The members as JSON texts. */
  sources(): Map<string, string> {
    return new Map(
      [...this.#values].map(([name, value]) => [
        name,
        typeof value === 'string' ? JSON.stringify(value) : value.source,
      ]),
    )
  }

  json(): string {
    return objectOf(this.sources())
  }
}

const isNull = (value: Value): boolean => typeof value !== 'string' && value.source === 'null'

/** The JSON text of an object with these members. */
export const objectOf = (members: Iterable<readonly [string, string]>): string =>
  `{${[...members].map(([name, source]) => `${JSON.stringify(name)}:${source}`).join(',')}}`
