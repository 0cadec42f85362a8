import { describe, expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'

const modelsOf = (MODELS: string, ALLOWED_QUEUES = 'small,team:a,team') =>
  readConfig({ QUEUE_NAME: 'q', ALLOWED_QUEUES, MODELS }).models

describe('MODELS', () => {
  test('is empty by default', () => {
    expect(readConfig({}).models).toEqual([])
  })

  test('names a queue for each model, and the name at the worker where that is another', () => {
    expect(modelsOf('a=q, gpt-4 = small:llama3:8b ,b=small:')).toEqual([
      { id: 'a', queue: 'q', name: 'a' },
      { id: 'gpt-4', queue: 'small', name: 'llama3:8b' },
      { id: 'b', queue: 'small', name: 'b' },
    ])
  })

  test('takes the longest queue that fits, because a queue may have colons', () => {
    expect(modelsOf('a=team:a,b=team:a:x,c=team:b,d=team')).toEqual([
      { id: 'a', queue: 'team:a', name: 'a' },
      { id: 'b', queue: 'team:a', name: 'x' },
      { id: 'c', queue: 'team', name: 'b' },
      { id: 'd', queue: 'team', name: 'd' },
    ])
  })

  test.each(['canary', '=q', ' =q', 'a=', 'a= ', 'a=q,canary', 'a=q,a=small'])(
    '%j is refused at the start, without its value',
    (value) => {
      expect(() => modelsOf(value)).toThrow(/^MODELS must/)
      expect(() => modelsOf(value)).not.toThrow('canary')
    },
  )

  test.each(['a=canary', 'a=quick', 'a=canary:q', 'a=:q'])(
    '%j names a queue that is not served',
    (value) => {
      expect(() => modelsOf(value)).toThrow('MODELS must name queues')
    },
  )

  test.each([
    ['a=q,b=canary,c=small', 'entry 2 does not'],
    ['a=q,,b=q, c=canary,d=canary', 'entries 3, 4 do not'],
    ['a=q,canary', 'entry 2 does not'],
    ['canary,=q,a=q', 'entries 1, 2 do not'],
    ['a=q,b=q,a=small,a=canary', 'entries 3, 4 do not'],
  ])('%j says which entry is wrong, and not what it says', (value, words) => {
    expect(() => modelsOf(value)).toThrow(words)
    expect(() => modelsOf(value)).not.toThrow('canary')
  })
})
