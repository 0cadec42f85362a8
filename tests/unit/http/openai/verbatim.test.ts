import { describe, expect, test } from 'vitest'
import { protollmV1 } from '../../../../src/dialects/protollm-v1.ts'
import { celeryV2 } from '../../../../src/dialects/celery-v2.ts'
import { ChunkWriter } from '../../../../src/http/openai/chunk-writer.ts'
import { parseLossless, without } from '../../../support/lossless-json.ts'
import { CHAT, openAiApp, succeeded } from '../../../support/openai.ts'
import { randomJson } from '../../../support/random-json.ts'
import { randomOf } from '../../../support/random.ts'
import type { Job, JobEvent } from '../../../../src/job.ts'

const ROUNDS = 1_000
const OWNED = ['model', 'stream', 'stream_options']
const SET = ['id', 'object', 'created', 'model']

const V1 = protollmV1.create({ REDIS_PREFIX: 'p' })
const CELERY = celeryV2.create({ CELERY_TASK_NAME: 'generate' })

/** The body as a worker reads it from its message. */
function atWorker(job: Job): string {
  const of = { wireId: job.id, run: 'r', expiresAt: new Date(0) }
  const [v1, celery] = [V1, CELERY].map(
    (dialect) => dialect.decodeJob(dialect.encodeJob(job, of), 'q').job.request?.body,
  )
  expect(celery).toBe(v1)
  return v1 as string
}

/** As one text, which is compared faster than what it was made of. */
const othersOf = (source: string, names: readonly string[]): string =>
  JSON.stringify(without(parseLossless(source), names))

describe('what passes through the gateway', () => {
  test(`is the same at the worker, and back at the client, for ${ROUNDS} random bodies`, async () => {
    const { member, object, shuffled, extras, value } = randomJson(randomOf(11))
    let answer = ''
    const { post, run } = openAiApp(async () => succeeded({ body: answer }))
    for (let round = 0; round < ROUNDS; round += 1) {
      const messages = member('messages', `[${object([member('role', '"user"'), ...extras()])}]`)
      const owned = [member('model', '"whole"'), member('stream_options', value())]
      const source = object(shuffled([...owned, messages, ...extras()]))
      answer = object(shuffled([...extras(), member('id', value()), member('choices', '[]')]))
      const { status, text } = await post(CHAT, source)
      expect([source, status]).toEqual([source, 200])
      const body = atWorker(run.mock.lastCall?.[0] as Job)
      expect(othersOf(body, OWNED)).toBe(othersOf(source, OWNED))
      expect(JSON.parse(body)).toMatchObject({ model: 'whole-at-worker', stream: false })
      expect(othersOf(text, SET)).toBe(othersOf(answer, SET))
    }
  })

  test(`is the same in the chunks of ${ROUNDS} random streams`, () => {
    const json = randomJson(randomOf(12))
    const { member, object, some, extras, pick, shuffled } = json
    const choiceOf = (index: string, delta: string[], finish: string): string =>
      object(
        shuffled([
          member('index', index),
          member('delta', object(delta)),
          member('finish_reason', finish),
          ...extras(),
        ]),
      )
    const chunkOf = (choice: string): string =>
      object(shuffled([...extras(), member('choices', `[${choice}]`), member('created', '1.0')]))
    for (let round = 0; round < ROUNDS; round += 1) {
      const all = [
        choiceOf('0', [member('role', '"assistant"'), ...extras()], 'null'),
        ...some(6, () =>
          choiceOf('0', [member(pick(['content', 'x']), json.string()), ...extras()], 'null'),
        ),
        choiceOf('0', extras(), '"stop"'),
      ].map(chunkOf)
      const writer = new ChunkWriter({
        kind: 'chat',
        envelope: { id: 'i', object: 'o', created: 1, model: 'm', tier: undefined },
        isVerbatim: true,
        wantsUsage: false,
        errorOf: () => expect.unreachable(),
      })
      const events: JobEvent[] = [
        { kind: 'delta', id: '1-0', text: 'other', chunks: `[${all.join(',')}]` },
        {
          kind: 'done',
          id: 'done',
          view: {
            id: 'j',
            status: 'succeeded',
            createdAt: 1,
            finishedAt: 2,
            outcome: { kind: 'succeeded', content: '' },
          },
        },
      ]
      const lines = writer.events(events).split('\n\n')
      expect(lines.slice(-2)).toEqual(['data: [DONE]', ''])
      const written = lines.slice(0, -2).map((line) => line.slice('data: '.length))
      expect(written.map((one) => othersOf(one, SET))).toEqual(all.map((one) => othersOf(one, SET)))
    }
  })
})
