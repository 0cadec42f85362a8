import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { readWorkerConfig } from '../../worker-stub/config.ts'
import { READERS, complaint } from '../support/complaint.ts'
import type { Env } from '../../src/config.ts'

/** Names and logins, each with what has to be set besides, and what reads it. */
const TEXTS: [name: string, read: (env: Env) => unknown, more: Env][] = [
  ...READERS.flatMap(([, read]): typeof TEXTS => [
    ['QUEUE_NAME', read, {}],
    ['RABBIT_MQ_LOGIN', read, {}],
    ['REDIS_PREFIX', read, {}],
    ['CELERY_TASK_NAME', read, { DIALECT: 'celery-v2' }],
    ['REDIS_PREFIX_FOR_STATUS', read, { DIALECT: 'protollm-v1.1' }],
    ['REDIS_PREFIX_FOR_ANSWER', read, { DIALECT: 'protollm-v1.1' }],
  ]),
  ['INNER_LLM_MODEL', readWorkerConfig, {}],
]

describe.each(TEXTS)('%s', (name, read, more) => {
  test.each([
    ['"q"', /in quotes/],
    ["'q'", /in quotes/],
    ['"q', /in quotes/],
    ["q'", /in quotes/],
    ['q\r', /blanks or line breaks around/],
    ['q\n', /blanks or line breaks around/],
    [' q', /blanks or line breaks around/],
    ['q\t', /blanks or line breaks around/],
    ['\ufeffq', /blanks or line breaks around/],
    ['q\u00a0', /blanks or line breaks around/],
    ['a\0b', /cannot be seen/],
    ['a\nb', /cannot be seen/],
    ['a\x1bb', /cannot be seen/],
    ['a\x7fb', /cannot be seen/],
    ['a\u0085b', /cannot be seen/],
    ['a\u200bb', /cannot be seen/],
    ['a\u202eb', /cannot be seen/],
    ['a\u2028b', /cannot be seen/],
    ['a\ud800b', /cannot be seen/],
  ])('%j is refused by name', (value, why) => {
    const said = complaint(read, { ...more, [name]: value })
    expect(said).toMatch(new RegExp(`^${name} (?=.*${why.source})`))
  })

  test('with letters of any script is taken', () => {
    for (const value of ['q', 'очередь', '队列', 'صف\u200cها', 'a"b', '🦙']) {
      expect(complaint(read, { ...more, [name]: value })).toBe('')
    }
  })
})

test('of ALLOWED_QUEUES each is a name, and blanks around one are dropped', () => {
  const said = (ALLOWED_QUEUES: string): string => complaint(readConfig, { ALLOWED_QUEUES })
  for (const bad of ['"a,b"', 'a,"b"', 'a\0', 'a,b\nc', `a,${'q'.repeat(256)}`]) {
    expect(said(bad)).toMatch(/^ALLOWED_QUEUES must/)
  }
  expect(readConfig({ ALLOWED_QUEUES: ' a ,b\r\n' }).queues).toEqual(['llm-api-queue', 'a', 'b'])
})

test('a name of a queue has as many bytes as the protocol has room for', () => {
  const of = (letter: string, count: number, more: Env = {}): string =>
    complaint(readConfig, { QUEUE_NAME: letter.repeat(count), ...more })
  expect(of('q', 255)).toBe('')
  expect(of('q', 256)).toBe('QUEUE_NAME must have at most 255 bytes')
  expect(of('я', 128)).toBe('QUEUE_NAME must have at most 255 bytes')
  const quorum = { QUEUE_TYPE: 'quorum' }
  expect(of('q', 250, quorum)).toBe('')
  expect(of('q', 251, quorum)).toBe('QUEUE_NAME must have at most 250 bytes with QUEUE_TYPE quorum')
  const allowed = { ...quorum, ALLOWED_QUEUES: 'q'.repeat(251) }
  expect(complaint(readConfig, allowed)).toContain('ALLOWED_QUEUES must have at most 250 bytes')
})

describe.each(READERS)('a password, read by the %s,', (_, read) => {
  const passwordOf = (value: string): string => {
    const { rabbitUrl } = read({ RABBIT_MQ_PASSWORD: value }) as { rabbitUrl: string }
    return decodeURIComponent(new URL(rabbitUrl).password)
  }

  test.each(['pa#ss', 'p@/?:%[]', 'p"q', "it's", ' p q ', 'пароль', '%41', '"', '$HOME', '\\n'])(
    '%j is taken as it is',
    (value) => expect(passwordOf(value)).toBe(value),
  )

  test.each(['admin\n', 'admin\r\n', 'admin\r', '\nadmin'])(
    '%j is taken without its line break',
    (value) => expect(passwordOf(value)).toBe('admin'),
  )

  test.each([
    ['"canary"', /in quotes/],
    ["'canary'", /in quotes/],
    ['can\nary', /cannot be seen/],
    ['canary\0', /cannot be seen/],
    ['\ufeffcanary', /cannot be seen/],
    ['\n', /must not be empty/],
  ])('%j is refused by name', (value, why) => {
    const said = complaint(read, { RABBIT_MQ_PASSWORD: value })
    expect(said).toMatch(new RegExp(`^RABBIT_MQ_PASSWORD (?=.*${why.source})`))
    expect(said).not.toContain('canary')
  })

  test('in an empty file is refused, and not the default', () => {
    const directory = mkdtempSync(join(tmpdir(), 'plain-setting-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    writeFileSync(join(directory, 'empty'), '\n')
    const env = { RABBIT_MQ_PASSWORD_FILE: join(directory, 'empty') }
    expect(complaint(read, env)).toBe('RABBIT_MQ_PASSWORD must not be empty')
  })
})

describe('INNER_LLM_API_KEY', () => {
  const keyOf = (INNER_LLM_API_KEY: string): string | undefined =>
    readWorkerConfig({ INNER_LLM_API_KEY }).openai.apiKey

  test.each(['sk-1', 'sk-1\n', ' sk-1\r\n', 'a b', 'clé', 'a"b'])(
    '%j goes into a header',
    (value) => {
      const sent = new Headers({ authorization: `Bearer ${keyOf(value)}` })
      expect(sent.get('authorization')).toBe(`Bearer ${value.trim()}`)
    },
  )

  test.each(['ключ', 'sk-1\u2019', 'sk\n1', 'sk\0', 'sk\u00ad1', '"sk-1"', "'sk-1'", ' '])(
    '%j is refused by name',
    (value) =>
      expect(complaint(readWorkerConfig, { INNER_LLM_API_KEY: value })).toMatch(
        /^INNER_LLM_API_KEY must/,
      ),
  )
})

test.each(['h:99999', 'http://h:99999/v1', '[:::]', '[::1', '10.0.0.256', 'h\n', '"h"', "'h'"])(
  'INNER_LLM_URL=%j is refused by name',
  (value) =>
    expect(complaint(readWorkerConfig, { INNER_LLM_URL: value })).toMatch(/^INNER_LLM_URL must/),
)

test.each(['8 ', '8\r', '"8"', '٨', '8.', '.8', '+8', '1_000', '8s'])(
  'no number is read out of %j',
  (value) => {
    for (const name of ['TIMEOUT', 'JOB_TTL_S', 'MAX_PENDING', 'QUEUE_MAX_LENGTH']) {
      expect(complaint(readConfig, { [name]: value })).toMatch(new RegExp(`^${name} must`))
    }
  },
)

test('what does not go together is named at once, too', () => {
  const said = complaint(readConfig, {
    TIMEOUT: '10',
    RESULT_TTL_S: '9',
    QUEUE_TYPE: 'quorum',
    QUEUE_DURABLE: 'false',
    QUEUE_MAX_PRIORITY: '5',
    REDIS_HOST: 'h:1',
    REDIS_PORT: '2',
  })
  for (const name of ['RESULT_TTL_S', 'QUEUE_DURABLE', 'QUEUE_MAX_PRIORITY', 'REDIS_HOST']) {
    expect(said).toMatch(new RegExp(`^${name} must`, 'm'))
  }
  expect(said.split('\n')).toHaveLength(4)
})

test('keys of a 1.1 worker do not fall together', () => {
  const of = (status: string, answer: string): string =>
    complaint(readConfig, {
      DIALECT: 'protollm-v1.1',
      REDIS_PREFIX_FOR_STATUS: status,
      REDIS_PREFIX_FOR_ANSWER: answer,
    })
  expect(of('a', 'b')).toBe('')
  for (const [status, answer] of [
    ['a', 'a'],
    ['prompt', 'a'],
    ['a', 'prompt'],
  ] as const) {
    expect(of(status, answer)).toMatch(/^REDIS_PREFIX_FOR_STATUS and .* must differ/)
  }
})
