import { createInterface } from 'node:readline'

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)

/**
 * Runs a client's tasks: each line of the input names one, each line of the output has what came of it.
 * `errorOf` says what a user of the client finds in an error.
 */
export function serve(packages, tasks, errorOf) {
  say({ ready: packages, on: `Node ${process.versions.node}` })
  createInterface({ input: process.stdin }).on('line', async (line) => {
    const { id, task, ...asked } = JSON.parse(line)
    try {
      say({ id, result: await tasks[task](asked) })
    } catch (error) {
      const { text } = error
      say({
        id,
        error: { name: error.name, ...errorOf(error) },
        ...(text !== undefined && { text }),
      })
    }
  })
}

/** What was read before a stream broke belongs to its error. */
export async function collect(pieces, onPiece) {
  const read = []
  try {
    for await (const piece of pieces) {
      read.push(piece)
      if ((await onPiece?.(piece)) === 'leave') break
    }
  } catch (error) {
    if (!(error instanceof Error))
      throw Object.assign(new Error('sent'), { sent: error, text: textOf(read) })
    error.text = textOf(read)
    throw error
  }
  return read
}

export const textOf = (pieces) => pieces.filter((piece) => typeof piece === 'string').join('')

export const TOOL = {
  name: 'weather',
  description: 'The weather of a city',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'integer' } },
    required: ['city', 'days'],
    additionalProperties: false,
  },
}

export const rounded = (vectors) =>
  vectors.map((vector) => [...vector].map((number) => Math.round(number * 1e4) / 1e4))
