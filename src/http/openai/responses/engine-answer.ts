import { partsOf, saysNothing } from './answer-parts.ts'
import { isObject, parsed } from '../json-fields.ts'
import type { AnswerParts } from './answer-parts.ts'
import type { Fields } from '../json-fields.ts'

/** What one chunk says of the first choice. */
export interface ChunkParts {
  readonly delta: AnswerParts
  /** Some engines send a whole message: it counts where no delta said anything. */
  readonly message: AnswerParts
  readonly finish: string | undefined
  readonly usage: Fields | undefined
}

/** What an engine's whole answer says of the first choice. */
export interface WholeAnswer {
  readonly parts: AnswerParts
  readonly finish: string | undefined
  readonly usage: Fields | undefined
}

/** The chunks of a delta, one after the other. Undefined where the text is no JSON array. */
export function chunkPartsOf(chunks: string): ChunkParts[] | undefined {
  const list = parsed(chunks)
  if (!Array.isArray(list)) return undefined
  return list.flatMap((chunk: unknown) => (isObject(chunk) ? [partsOfChunk(chunk)] : []))
}

function partsOfChunk(chunk: Fields): ChunkParts {
  const choice = firstChoice(chunk) ?? {}
  const { delta, message, logprobs } = choice
  return {
    delta: partsOf(delta, logprobs),
    message: partsOf(message, logprobs),
    finish: finishOf(choice),
    usage: isObject(chunk.usage) ? chunk.usage : undefined,
  }
}

/** Undefined where the body is no chat completion. */
export function wholeAnswerOf(body: string | undefined): WholeAnswer | undefined {
  const json = body === undefined ? undefined : parsed(body)
  if (!isObject(json)) return undefined
  const choice = firstChoice(json)
  if (choice === undefined || !isObject(choice.message)) return undefined
  const parts = partsOf(choice.message, choice.logprobs)
  const finish = finishOf(choice)
  return { parts, finish, usage: isObject(json.usage) ? json.usage : undefined }
}

/** A choice without a number has its place as its number. */
function firstChoice({ choices }: Fields): Fields | undefined {
  if (!Array.isArray(choices)) return undefined
  return choices.find(
    (choice: unknown, at): choice is Fields =>
      isObject(choice) && (typeof choice.index === 'number' ? choice.index : at) === 0,
  )
}

/** SGLang's own API has an object there. */
function finishOf({ finish_reason: reason }: Fields): string | undefined {
  const named = isObject(reason) ? reason.type : reason
  return typeof named === 'string' && named !== '' ? named : undefined
}

/** The parts that are new: the delta's, or those of a whole message before any delta said something. */
export const newPartsOf = ({ delta, message }: ChunkParts, isFirst: boolean): AnswerParts =>
  isFirst && saysNothing(delta) ? message : delta
