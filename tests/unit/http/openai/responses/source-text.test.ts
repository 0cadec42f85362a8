import { describe, expect, test } from 'vitest'
import { elementsOf, sourceAt } from '../../../../../src/json-source.ts'
import { chatBody } from '../../../../../src/http/openai/responses/chat-body.ts'
import { pickOf, randomOf } from '../../../../support/random.ts'
import { readResponse } from '../../../../support/responses.ts'

describe('the values of a chat request', () => {
  test('keep their source text', () => {
    const source =
      '{"input":[{"role":"user","content":["x",{"type":"video","fps":1.0,"at":9007199254740993}]}],' +
      ' "temperature" : 1.0,"seed":9007199254740993,"twice":1,"twice":2,"__proto__":{"a":-0},' +
      '"max_output_tokens":1e2,"tools":[{"type":"web_search"},{"name":"f","parameters":{"maximum":1.50,"maximum":1e400},"type":"function"}],' +
      '"text":{"format":{"schema":{"const":-0.0},"type":"json_schema","name":"n"}}}'
    expect(chatBody(readResponse(source), []).source).toBe(
      '{"temperature" : 1.0,"seed":9007199254740993,"twice":1,"twice":2,"__proto__":{"a":-0},' +
        '"tools":[{"type":"function","function":{"name":"f","parameters":{"maximum":1.50,"maximum":1e400}}}],' +
        '"max_tokens":1e2,"response_format":{"type":"json_schema","json_schema":{"schema":{"const":-0.0},"name":"n"}},' +
        '"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"video","fps":1.0,"at":9007199254740993}]}]}',
    )
  })

  test('of 300 random requests keep the source text of every number', () => {
    const random = randomOf(11)
    const pick = pickOf(random)
    const blank = () => pick(['', ' ', '\n', '\t '])
    const number = () =>
      pick(['1.0', '-0', '9007199254740993', '1e400', '0.10', '12E+2', '1e-7', '3'])
    const value = (depth: number): string => {
      const kind = pick(depth > 3 ? ['number', 'text'] : ['number', 'text', 'list', 'object'])
      if (kind === 'number') return number()
      if (kind === 'text')
        return JSON.stringify(pick(['', '"', '\\', '1.0', '}],', 'é\u2028', '😀']))
      const many = Array.from({ length: Math.floor(random() * 4) }, () => value(depth + 1))
      if (kind === 'list') return `[${blank()}${many.join(`,${blank()}`)}]`
      const names = ['"a"', '"type\\u0031"', '"__proto__"', '"}"']
      return `{${many.map((one) => `${pick(names)}${blank()}:${blank()}${one}`).join(',')}}`
    }
    for (let round = 0; round < 300; round += 1) {
      const schema = `{"x":${value(0)}}`
      const parameters = `{${blank()}"y":${value(0)}${blank()}}`
      const [temperature, penalty, unknown] = [number(), number(), value(0)]
      const part = `{"type":"other","z":${value(0)}}`
      const members = [
        `"input":${blank()}[{"content":[${part},${blank()}"1.0"],"role":"user"},{"type":"later","a":${value(0)}}]`,
        `"tools":[{"type":"web_search","a":${value(0)}},{"type":"function","name":"f","parameters":${parameters}}]`,
        `"text":{"format":${blank()}{"type":"json_schema","schema":${schema}}}`,
        `"temperature":${blank()}${temperature}`,
        `"presence_penalty":${penalty}`,
        `"unknown":${unknown}`,
        `"max_output_tokens":10.0`,
      ]
      const order = members.toSorted(() => random() - 0.5)
      const { source } = chatBody(readResponse(`{${order.join(`,${blank()}`)}}`), [])
      JSON.parse(source)
      const at = (...path: (string | number)[]) => sourceAt(source, path)
      expect(at('tools', 0, 'function', 'parameters')).toBe(parameters)
      expect(at('response_format', 'json_schema', 'schema')).toBe(schema)
      expect(at('temperature')).toBe(temperature)
      expect(at('presence_penalty')).toBe(penalty)
      expect(at('unknown')).toBe(unknown)
      expect(at('max_tokens')).toBe('10.0')
      expect(elementsOf(at('messages', 0, 'content') ?? '[]')[0]).toBe(part)
    }
  })
})
