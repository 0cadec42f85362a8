import { createHash } from 'node:crypto'
import { failOnDemand, invalid } from './invalid-request.ts'
import { wordsOf } from './pace.ts'
import { integerIn, modelIn } from './request-fields.ts'
import { textsOf } from './text-completions.ts'
import type { Fields } from './request-fields.ts'

const USUAL_DIMENSIONS = 8
const MAX_DIMENSIONS = 16_384
/** OpenAI's own limit. */
const MAX_INPUTS = 2_048

/** Answers `/v1/embeddings`, as JSON text: the same input always has the same vector. */
export function embeddingsBody(fields: Fields): string {
  const inputs = textsOf(fields.input)
  if (inputs === undefined || inputs.includes('') || inputs.length > MAX_INPUTS) {
    const problem = `must be a text, tokens, or a list of 1 to ${MAX_INPUTS} of them, none of them empty`
    throw invalid('input', problem)
  }
  for (const input of inputs) failOnDemand(input)
  const size = integerIn(fields, 'dimensions', MAX_DIMENSIONS) ?? USUAL_DIMENSIONS
  const format = fields.encoding_format ?? 'float'
  if (format !== 'float' && format !== 'base64') {
    throw invalid('encoding_format', 'must be float or base64')
  }
  const data = inputs.map((input, index) => {
    const vector = vectorOf(input, size)
    const embedding = format === 'float' ? [...vector] : base64Of(vector)
    return { object: 'embedding', index, embedding }
  })
  const tokens = inputs.reduce((sum, input) => sum + wordsOf(input).length, 0)
  const usage = { prompt_tokens: tokens, total_tokens: tokens }
  return JSON.stringify({ object: 'list', data, model: modelIn(fields), usage })
}

/** Numbers that look random, made from the text alone; the vector's length is 1. */
function vectorOf(text: string, size: number): Float32Array {
  const bytes = createHash('shake256', { outputLength: size * 4 })
    .update(text)
    .digest()
  const numbers = Array.from({ length: size }, (_, at) => bytes.readInt32LE(at * 4) || 1)
  const length = Math.hypot(...numbers)
  return Float32Array.from(numbers, (number) => number / length)
}

/** Little-endian, whatever the order of this machine. */
function base64Of(vector: Float32Array): string {
  const bytes = Buffer.allocUnsafe(vector.length * 4)
  for (const [at, number] of vector.entries()) bytes.writeFloatLE(number, at * 4)
  return bytes.toString('base64')
}
