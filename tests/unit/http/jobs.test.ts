import { describe, expect, test } from 'vitest'
import { appWith } from '../../support/app.ts'
import { post } from '../../support/http-client.ts'
import { listen } from '../../support/listen.ts'
import type { Job } from '../../../src/job.ts'

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
    expect(await places('?lastEventId=x&after=y')).toEqual(['query.lastEventId', 'query.after'])
  })

  test('the header goes before the query, and an empty one says nothing', async () => {
    expect((await events('?after=1-1', 'done')).status).toBe(204)
    expect((await events('?after=done', '')).status).toBe(204)
  })

  test('lastEventId goes before after, because a client adds it to the URL that it began with', async () => {
    expect((await events('?after=1-1&lastEventId=done')).status).toBe(204)
    expect((await events('?lastEventId=done')).status).toBe(204)
    expect((await events('?lastEventId=&after=done')).status).toBe(204)
    expect((await events('?lastEventId=1-1', 'done')).status).toBe(204)
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

describe('an Idempotency-Key', () => {
  const view = { status: 'queued', createdAt: 1, finishedAt: null, outcome: null } as const
  function scene() {
    const submit = async ({ id }: Job) => ({ view: { id, ...view }, isReplay: false })
    return appWith(undefined, 1_000, { submit })
  }
  const idBy = async (key: string) => {
    const { status, json } = await scene().post(
      '/jobs',
      { content: 'x' },
      { 'idempotency-key': key },
    )
    return status === 202 ? json.job_id : status
  }

  test('in quotes is the key between them', async () => {
    expect(await idBy('order-7')).toMatch(/^key-/)
    expect(await idBy('"order-7"')).toBe(await idBy('order-7'))
    expect(await idBy(String.raw`"a \"b\" \\ c"`)).toBe(await idBy(String.raw`a "b" \ c`))
  })

  test('whose quotes are no pair is taken as it stands', async () => {
    const plain = await idBy('order-7')
    for (const key of ['"order-7', 'order-7"', '""order-7""', '"a"b"', String.raw`"order-7\"`]) {
      expect(await idBy(key)).toMatch(/^key-/)
      expect(await idBy(key)).not.toBe(plain)
    }
  })

  test('of nothing, also between quotes, is a 422', async () => {
    expect(await idBy('')).toBe(422)
    expect(await idBy('""')).toBe(422)
    expect(await idBy('"')).toMatch(/^key-/)
  })

  test('that is sent twice is a 422, also where both are the same', async () => {
    const url = await listen(scene().app)
    for (const keys of [
      ['a', 'b'],
      ['k', '"k"'],
      ['k', 'k'],
    ]) {
      const { status, body } = await post(
        url,
        '/jobs',
        { content: 'x' },
        { 'idempotency-key': keys },
      )
      expect({ status, detail: body.detail }).toEqual({
        status: 422,
        detail: [
          {
            type: 'value_error',
            loc: ['header', 'idempotency-key'],
            msg: 'Send the header once',
            input: keys.join(', '),
          },
        ],
      })
    }
  })
})
