import { describe, expect, test } from 'vitest'
import { appWith } from '../../support/app.ts'

describe('where GET /jobs/{id}/events resumes', () => {
  const events = (query: string, header?: string) =>
    appWith().app.request(`/jobs/j/events${query}`, {
      headers: header === undefined ? {} : { 'last-event-id': header },
    })

  test('what is no id of an event is a 422, also beside one that is', async () => {
    const places = async (query: string, header?: string) => {
      const reply = await events(query, header)
      expect(reply.status).toBe(422)
      const { detail } = (await reply.json()) as { detail: { loc: string[] }[] }
      return detail.map(({ loc }) => loc.join('.'))
    }
    expect(await places('?after=x')).toEqual(['query.after'])
    expect(await places('', 'x')).toEqual(['header.last-event-id'])
    expect(await places('?after=x', 'done')).toEqual(['query.after'])
    expect(await places('?after=x', 'y')).toEqual(['header.last-event-id', 'query.after'])
  })

  test('the header goes before the query, and an empty one says nothing', async () => {
    expect((await events('?after=1-1', 'done')).status).toBe(204)
    expect((await events('?after=done', '')).status).toBe(204)
  })
})
