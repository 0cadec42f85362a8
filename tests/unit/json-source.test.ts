import { describe, expect, test } from 'vitest'
import {
  elementsOf,
  membersOf,
  sourceAt,
  withMembers,
  withSourceAt,
} from '../../src/json-source.ts'
import { pickOf, randomOf } from '../support/random.ts'

describe('the parts of a JSON text', () => {
  test('are what the text says, not what a number or a name becomes', () => {
    const text =
      ' { "a" : 9007199254740993 , "b":1.0,"c":-0,"d":1e400,"__proto__":{"x":[1]},"a":"\\"}\\\\" } '
    expect(Array.from(membersOf(text))).toEqual([
      ['a', '"\\"}\\\\"'],
      ['b', '1.0'],
      ['c', '-0'],
      ['d', '1e400'],
      ['__proto__', '{"x":[1]}'],
    ])
    expect(withMembers(text, { b: undefined, model: '"m"' })).toBe(
      '{"a" : 9007199254740993,"c":-0,"d":1e400,"__proto__":{"x":[1]},"a":"\\"}\\\\","model":"m"}',
    )
  })

  test('are set in place of all members of that name, and in an empty object', () => {
    expect(withMembers('{"a":1,"b":2,"a":3}', { a: '4' })).toBe('{"b":2,"a":4}')
    expect(withMembers(' {\n} ', { a: '1' })).toBe('{"a":1}')
    expect(withMembers('{}', { a: undefined })).toBe('{}')
  })

  test('a member keeps its own value, the last of two, or else gets the usual one', () => {
    const usual = { b: '2', object: { usual: '"u"' }, c: '3' }
    expect(withMembers('{"object": "x","a":1,"\\u006fbject":[{"]":"\\""}, 1.0]}', usual)).toBe(
      String.raw`{"a":1,"b":2,"object":[{"]":"\""}, 1.0],"c":3}`,
    )
    expect(withMembers('{"a":1}', usual)).toBe('{"a":1,"b":2,"object":"u","c":3}')
  })

  test('are found by their path', () => {
    const text = '[[], {"prompt": {"request": {"body": {"n": 1.0}}}}, null]'
    expect(sourceAt(text, [1, 'prompt', 'request', 'body'])).toBe('{"n": 1.0}')
    expect(sourceAt(text, [1, 'prompt', 'other'])).toBeUndefined()
    expect(sourceAt(text, [5])).toBeUndefined()
    expect(sourceAt(text, [0, 'a'])).toBeUndefined()
    expect(withSourceAt(text, [1, 'prompt'], '2e0')).toBe('[[], {"prompt": 2e0}, null]')
  })

  test('of 500 random values are those that JSON.parse finds', () => {
    const random = randomOf(7)
    const pick = pickOf(random)
    const value = (depth: number): unknown => {
      const kind = pick(
        depth > 3 ? ['text', 'number'] : ['text', 'number', 'list', 'object', 'null'],
      )
      const many = () => Array.from({ length: Math.floor(random() * 4) }, () => value(depth + 1))
      if (kind === 'null') return pick([null, true, false])
      if (kind === 'number') return pick([0, -1.5, 1e21, 42])
      if (kind === 'text') return pick(['', '"', '\\', '\\"', '{', '],', 'é\u2028', '\n', '}\\\\"'])
      if (kind === 'list') return many()
      return Object.fromEntries(
        many().map((item, index) => [`${pick(['"', 'k\\', '{'])}${index}`, item]),
      )
    }
    for (let count = 0; count < 500; count += 1) {
      const indent = pick([0, 1, '\t', '\r\n '] as const)
      const list = [value(0), value(0)]
      const object = { first: list[0], second: list[1] }
      const texts = elementsOf(JSON.stringify(list, null, indent))
      expect(texts.map((text) => JSON.parse(text) as unknown)).toEqual(list)
      const members = membersOf(JSON.stringify(object, null, indent))
      expect(JSON.parse(members.get('second') as string)).toEqual(list[1])
      const changed = withMembers(JSON.stringify(object, null, indent), { first: '1' })
      expect(JSON.parse(changed)).toEqual({ second: list[1], first: 1 })
    }
  })

  test('of a text of 12 MB are found in one pass', () => {
    const text = JSON.stringify({ a: 'x'.repeat(12_000_000), model: 'm' })
    expect(membersOf(text).get('model')).toBe('"m"')
  })
})
