import { describe, expect, test } from 'vitest'
import { listItems } from '../../../../../src/http/openai/responses/input-items.ts'
import { refusalOf } from '../../../../support/responses.ts'

const itemsOf = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ type: 'message', id: `i${at}` }))

describe('the list of the input items', () => {
  test('begins with the newest, and has 20 of them', () => {
    const { data, ...page } = listItems(itemsOf(25), {})
    expect(data.map(({ id }) => id)).toEqual(
      itemsOf(25)
        .toReversed()
        .slice(0, 20)
        .map(({ id }) => id),
    )
    expect(page).toEqual({ object: 'list', first_id: 'i24', last_id: 'i5', has_more: true })
  })

  test.each(['asc', 'desc'])('in order %s is read to its end page by page', (order) => {
    const ids: string[] = []
    let after: string | undefined
    for (;;) {
      const page = listItems(itemsOf(7), { order, limit: '3', after })
      ids.push(...page.data.map(({ id }) => id))
      after = page.last_id ?? undefined
      if (!page.has_more) break
    }
    const all = itemsOf(7).map(({ id }) => id)
    expect(ids).toEqual(order === 'asc' ? all : all.toReversed())
  })

  test('is empty after the last item, and of no items', () => {
    const none = { object: 'list', data: [], first_id: null, last_id: null, has_more: false }
    expect(listItems(itemsOf(3), { after: 'i0' })).toEqual(none)
    expect(listItems([], {})).toEqual(none)
    expect(listItems(itemsOf(3), { limit: '3' }).has_more).toBe(false)
  })

  test.each([
    ['limit', '0'],
    ['limit', '101'],
    ['limit', '1.5'],
    ['limit', ''],
    ['limit', '1e1'],
    ['order', 'up'],
    ['order', ''],
    ['after', 'i9'],
    ['after', ''],
  ])('with %s %j is a 400 that names it', (name, value) => {
    const error = refusalOf(() => listItems(itemsOf(3), { [name]: value }))
    expect([error.status, error.object.param]).toEqual([400, name])
  })

  test('takes limits of 1 and 100', () => {
    expect(listItems(itemsOf(200), { limit: '1' }).data).toHaveLength(1)
    expect(listItems(itemsOf(200), { limit: '100' }).data).toHaveLength(100)
  })
})
