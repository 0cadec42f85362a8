import { describe, expect, test } from 'vitest'
import { CHAT, answer, deltas, hi, request } from '../../../support/echo-answers.ts'

const node = { $ref: '#/$defs/node' }
const nodeSchema = {
  type: 'object',
  properties: { name: { type: 'string' }, next: { anyOf: [node, { type: 'null' }] } },
  required: ['name', 'next'],
}

const json = async (format: object) => {
  const { choices } = await answer(CHAT, hi({ response_format: format }))
  return JSON.parse(choices[0]?.message.content ?? '') as unknown
}
const formatOf = (schema: unknown) => ({
  type: 'json_schema',
  json_schema: { name: 's', strict: true, schema },
})

describe('JSON of the echo engine', () => {
  test('is an object with the text where no schema is given', async () => {
    expect(await json({ type: 'json_object' })).toEqual({ echo: 'Hi there' })
    expect(await json({ type: 'json_schema', json_schema: { name: 's' } })).toEqual({
      echo: 'Hi there',
    })
  })

  test('is text where the format says so', async () => {
    const { choices } = await answer(CHAT, hi({ response_format: { type: 'text' } }))
    expect(choices[0]?.message.content).toBe('echo: Hi there')
  })

  test('is streamed in several pieces', async () => {
    const schema = { type: 'object', properties: { a: { type: 'integer' } } }
    const streamed = await deltas(hi({ response_format: formatOf(schema) }))
    const pieces = streamed.map(({ content }) => content ?? '').filter((text) => text !== '')
    expect(pieces.length).toBeGreaterThan(1)
    expect(JSON.parse(pieces.join(''))).toEqual({ a: 1 })
  })

  test.each<[string, unknown, unknown]>([
    ['a string', { type: 'string' }, 'Hi there'],
    ['an integer', { type: 'integer' }, 1],
    ['a number', { type: 'number' }, 1],
    ['a boolean', { type: 'boolean' }, true],
    ['null', { type: 'null' }, null],
    ['an enum', { type: 'string', enum: ['b', 'a'] }, 'b'],
    ['an enum of other values', { enum: [null, 3] }, null],
    ['an enum within bounds', { type: 'integer', enum: ['x', 3, 9], minimum: 5 }, 9],
    ['a constant', { const: { a: [1] } }, { a: [1] }],
    ['anything', {}, 'Hi there'],
    ['anything, as true', true, 'Hi there'],
    ['the first of several types', { type: ['null', 'integer'] }, 1],
    ['a short string', { type: 'string', maxLength: 2 }, 'Hi'],
    ['a long string', { type: 'string', minLength: 10 }, 'Hi there..'],
    ['a format by any name', { type: 'string', format: 'constructor' }, 'Hi there'],
    ['a date', { type: 'string', format: 'date' }, '2026-01-01'],
    ['an integer from a minimum on', { type: 'integer', minimum: 4.5 }, 5],
    ['an integer above a bound', { type: 'integer', exclusiveMinimum: 4 }, 5],
    ['an integer below a bound', { type: 'integer', exclusiveMaximum: -4 }, -5],
    [
      'an integer as some libraries describe one',
      { type: 'integer', minimum: -9007199254740991, maximum: 9007199254740991 },
      1,
    ],
    [
      'an array of the last integers below a bound',
      {
        type: 'array',
        items: { type: 'integer', minimum: -5, maximum: 1 },
        minItems: 3,
        uniqueItems: true,
      },
      [1, 0, -1],
    ],
    ['a multiple', { type: 'integer', minimum: 8, multipleOf: 7 }, 14],
    ['a multiple that is no integer', { type: 'number', minimum: 0.6, multipleOf: 0.5 }, 1],
    ['a number between two', { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 }, 0.5],
    ['a number of one value', { type: 'number', minimum: 3, maximum: 3 }, 3],
    ['an array', { type: 'array', items: { type: 'integer' } }, [1]],
    ['an array without items', { type: 'array' }, ['Hi there']],
    [
      'an array of at least so many',
      { type: 'array', items: { const: 7 }, minItems: 3 },
      [7, 7, 7],
    ],
    ['an array that stays empty', { type: 'array', items: {}, maxItems: 0 }, []],
    ['an array of nothing', { type: 'array', items: false }, []],
    [
      'an array of different ones',
      { type: 'array', items: { type: 'integer', minimum: 4 }, minItems: 3, uniqueItems: true },
      [4, 5, 6],
    ],
    [
      'an array of different words',
      { type: 'array', items: { type: 'string', maxLength: 4 }, minItems: 2, uniqueItems: true },
      ['Hi t', '1 Hi'],
    ],
    [
      'a tuple',
      { type: 'array', prefixItems: [{ type: 'integer' }, { type: 'boolean' }], items: false },
      [1, true],
    ],
    [
      'an object in an object',
      {
        type: 'object',
        properties: { a: { type: 'object', properties: { b: { type: 'integer' } } } },
        required: ['a'],
        additionalProperties: false,
      },
      { a: { b: 1 } },
    ],
    ['an object without properties', { type: 'object' }, {}],
    ['an object by its properties', { properties: { a: { type: 'null' } } }, { a: null }],
    [
      'an object with a required name that is not described',
      { type: 'object', required: ['a'], additionalProperties: { type: 'integer' } },
      { a: 1 },
    ],
    [
      'an object with at least one property',
      { type: 'object', minProperties: 1, additionalProperties: { type: 'integer' } },
      { key1: 1 },
    ],
    [
      'an object without a property that has no value',
      { type: 'object', properties: { a: false, b: { const: 1 } } },
      { b: 1 },
    ],
    ['the first branch', { anyOf: [{ type: 'integer' }, { type: 'null' }] }, 1],
    ['the first branch that has a value', { oneOf: [false, { type: 'null' }] }, null],
    [
      'what all branches want',
      {
        allOf: [
          { type: 'object', properties: { a: { type: 'integer' } } },
          { properties: { b: { type: 'boolean' } }, required: ['b'] },
        ],
      },
      { a: 1, b: true },
    ],
    [
      'a definition, with what is beside it',
      {
        $defs: { 'a/b c': { type: 'integer' } },
        $ref: '#/$defs/a~1b%20c',
        minimum: 9,
      },
      9,
    ],
    [
      'a recursive definition',
      { $defs: { node: nodeSchema }, ...node },
      { name: 'Hi there', next: null },
    ],
    [
      'a tree of itself',
      { type: 'object', properties: { children: { type: 'array', items: { $ref: '#' } } } },
      { children: [{ children: [] }] },
    ],
  ])('fits %s', async (_, schema, value) => {
    expect(await json(formatOf(schema))).toEqual(value)
  })

  test.each([
    ['^[A-Z]{3}-\\d+$', {}],
    ['^\\d{4}-\\d{2}-\\d{2}$', {}],
    ['^(red|green)?$', {}],
    ['^(?:a|b)(?<name>c)+?[^a-z\\]]$', {}],
    ['[\\w.+-]+@[\\w-]+\\.[a-z]{2,}', {}],
    ['^[a-z]+$', { minLength: 7, maxLength: 7 }],
    ['^\\+?[1-9]\\d{1,14}$', { minLength: 12 }],
    ['^https?:\\/\\/.*$', {}],
    ['^😀{2}$', { minLength: 2, maxLength: 2 }],
    // To run this one over a text that it does not accept would take years.
    ['^(([a-z])+.)+[A-Z]([a-z])+$', {}],
  ])('fits the pattern %s', async (pattern, more) => {
    const schema = { type: 'string', pattern, ...more }
    const value = (await json(formatOf(schema))) as string
    expect(value).toMatch(new RegExp(pattern, 'u'))
    const { minLength = 0, maxLength = Infinity } = more as Record<string, number>
    expect(Array.from(value).length).toBeGreaterThanOrEqual(minLength)
    expect(Array.from(value).length).toBeLessThanOrEqual(maxLength)
  })

  test('has texts of one pattern that differ', async () => {
    const items = { type: 'string', pattern: '^x\\d*$' }
    const schema = { type: 'array', items, minItems: 3, uniqueItems: true }
    expect(await json(formatOf(schema))).toEqual(['x', 'x0', 'x00'])
  })

  test('has properties by any name', async () => {
    const schema = JSON.parse('{"type":"object","properties":{"__proto__":{"type":"integer"}}}')
    const { choices } = await answer(CHAT, hi({ response_format: formatOf(schema) }))
    expect(choices[0]?.message.content).toBe('{"__proto__":1}')
  })

  test.each<[string, unknown]>([
    ['nothing fits', false],
    ['the bounds leave nothing', { type: 'integer', minimum: 5, maximum: 4 }],
    ['a type is unknown', { type: 'float' }],
    ['a definition is missing', { $ref: '#/$defs/none' }],
    ['a definition needs itself', { $ref: '#' }],
    ['a pattern is not known', { type: 'string', pattern: '^(?=.*\\d)a+$' }],
    ['a pattern and a length differ', { type: 'string', pattern: '^a{3}$', maxLength: 2 }],
    ['a pattern is of too long a text', { type: 'string', pattern: '^((a{999}){999}){999}$' }],
    [
      'there are too few values',
      { type: 'array', items: { type: 'boolean' }, minItems: 3, uniqueItems: true },
    ],
    ['too much is asked for', { type: 'array', items: {}, minItems: 1e9 }],
    ['too long a text is asked for', { type: 'string', minLength: 1e9 }],
    [
      'it grows without end',
      {
        $defs: Object.fromEntries(
          Array.from({ length: 40 }, (_, at) => {
            const next = { $ref: `#/$defs/d${at + 1}` }
            return [`d${at}`, { type: 'object', properties: { a: next, b: next } }]
          }),
        ),
        $ref: '#/$defs/d0',
      },
    ],
  ])('is refused where %s', async (_, schema) => {
    const { outcome } = await request(CHAT, hi({ response_format: formatOf(schema) }))
    expect(outcome).toMatchObject({
      kind: 'failed',
      status: 400,
      param: 'response_format.json_schema.schema',
    })
  })
})
