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

describe('POST /jobs', () => {
  test('names everything that is wrong with body and headers, in the form of FastAPI', async () => {
    const body = { content: 'x', queue_name: 'no', ttl: 11, job_id: 'mine' }
    const { status, json } = await appWith().post('/jobs', body, { 'idempotency-key': '' })
    expect(status).toBe(422)
    expect(json.detail).toEqual([
      {
        type: 'enum',
        loc: ['body', 'queue_name'],
        msg: "Input should be 'q' or 'other'",
        input: 'no',
      },
      {
        type: 'less_than_equal',
        loc: ['body', 'ttl'],
        msg: 'Input should be less than or equal to 10',
        input: 11,
      },
      {
        type: 'string_pattern_mismatch',
        loc: ['header', 'idempotency-key'],
        msg: 'String should be 1 to 255 printable characters',
        input: '',
      },
      {
        type: 'value_error',
        loc: ['body', 'job_id'],
        msg: 'Send either a job_id or an Idempotency-Key, not both',
        input: 'mine',
      },
    ])
  })

  test('takes content or messages, and refuses both or neither', async () => {
    const messages = [{ role: 'user', content: 'x' }]
    for (const body of [{}, { content: 'x', messages }, { content: null, messages: null }]) {
      const { status, json } = await appWith().post('/jobs', body)
      expect(status).toBe(422)
      expect(json.detail).toEqual([
        {
          type: 'value_error',
          loc: ['body'],
          msg: 'send either content or messages, not both',
          input: expect.anything(),
        },
      ])
    }
  })
})
