import { invalidValue } from '../openai-errors.ts'
import type { Item } from './response-types.ts'

/** A page of items, as `GET /v1/responses/{id}/input_items` gives it. */
export interface ItemList {
  readonly object: 'list'
  readonly data: readonly Item[]
  readonly first_id: string | null
  readonly last_id: string | null
  readonly has_more: boolean
}

/** As the address has them: text, or absent. */
export interface ItemQuery {
  readonly limit?: string | undefined
  readonly order?: string | undefined
  readonly after?: string | undefined
}

export const DEFAULT_LIMIT = 20
export const MAX_LIMIT = 100
export const ORDERS: readonly string[] = ['asc', 'desc']

/** A page of the items. The newest one is first unless the order is `asc`. */
export function listItems(items: readonly Item[], query: ItemQuery): ItemList {
  const limit = limitOf(query.limit)
  const { order = 'desc', after } = query
  if (!ORDERS.includes(order)) throw invalidValue('order', 'order must be asc or desc')
  const ordered = order === 'asc' ? items : items.toReversed()
  const start = after === undefined ? 0 : 1 + ordered.findIndex(({ id }) => id === after)
  if (after !== undefined && start === 0) {
    throw invalidValue('after', 'after must be the id of an item in the list')
  }
  const data = ordered.slice(start, start + limit)
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: start + limit < ordered.length,
  }
}

function limitOf(given: string | undefined): number {
  if (given === undefined) return DEFAULT_LIMIT
  const limit = /^\d{1,3}$/.test(given) ? Number(given) : 0
  if (limit >= 1 && limit <= MAX_LIMIT) return limit
  throw invalidValue('limit', `limit must be a whole number from 1 to ${MAX_LIMIT}`)
}
