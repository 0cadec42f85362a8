import { describe, expect, test } from 'vitest'
import { decodeAnnouncement, encodeAnnouncement } from '../../src/announcement.ts'

const whole = {
  worker: 'gpu-1',
  instance: 'i-1',
  queue: 'q',
  dialect: 'protollm-v1',
  models: [{ name: 'meta-llama/Llama-3:8b', capabilities: ['verbatim', 'chat'] }],
  concurrency: 16,
  running: 3,
  version: '1.2.3',
  started: 1_790_000_000_000,
}
const least = { worker: 'gpu-1', instance: 'i-1', queue: 'q', models: [] }
const decode = (said: unknown) => decodeAnnouncement(JSON.stringify(said))

describe('an announcement', () => {
  test('is read as it was written', () => {
    expect(decodeAnnouncement(encodeAnnouncement(whole))).toEqual(whole)
    const stop = { worker: 'gpu-1', instance: 'i-1', stopped: true } as const
    expect(decodeAnnouncement(encodeAnnouncement(stop))).toEqual(stop)
  })

  test('needs no more than who, where and what: a name alone is a model that takes messages', () => {
    const text = ['text', 'chat', 'completions']
    expect(
      decode({ ...least, models: ['a', { name: 'b' }, { name: 'c', capabilities: null }] }),
    ).toMatchObject({
      models: ['a', 'b', 'c'].map((name) => ({ name, capabilities: text })),
      concurrency: 0,
      running: 0,
    })
    expect(decode({ ...least, dialect: null, running: null, version: null })).toMatchObject(least)
  })

  test('may say more than is known of', () => {
    expect(decode({ ...whole, gpu: 'H100', renewals: 7, stopped: false })).toEqual(whole)
  })

  test.each([
    ['worker', { ...least, worker: '' }],
    ['worker', { ...least, worker: undefined }],
    ['worker', { ...least, worker: 'x'.repeat(513) }],
    ['instance', { ...least, instance: 7 }],
    ['instance', { worker: 'w', stopped: true }],
    ['queue', { ...least, queue: ['canary'] }],
    ['models', { ...least, models: 'canary' }],
    ['models', { ...least, models: Array.from({ length: 1_001 }, (_, at) => `canary-${at}`) }],
    ['models.0', { ...least, models: [{ name: '' }] }],
    ['models.1', { ...least, models: ['a', null] }],
    ['running', { ...least, running: -1 }],
    ['running', { ...least, running: 0.5 }],
    ['concurrency', { ...least, concurrency: 'canary' }],
  ])('that has a bad %s is refused by that name, without its value', (name, said) => {
    const decoded = decode(said)
    expect(decoded).toEqual({ problem: expect.stringContaining(`form: ${name}`) })
    expect(JSON.stringify(decoded)).not.toContain('canary')
  })

  test.each(['', '{', 'null', '[]', '7', '"canary"', '\u0000', '{"stopped":true}'])(
    'cannot be %j',
    (text) => {
      expect(decodeAnnouncement(text)).toEqual({ problem: expect.any(String) })
    },
  )

  test('that is too long is not read', () => {
    const padded = encodeAnnouncement({ ...whole, version: 'x'.repeat(300_000) })
    expect(decodeAnnouncement(padded)).toEqual({ problem: 'longer than 262144 characters' })
  })
})
