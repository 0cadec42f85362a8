import { elementsOf } from '../../../src/json-source.ts'
import { OpenChoices, isWhole } from './choices.ts'
import { errorIn, isObject } from './error-text.ts'
import { ConnectionFailure, UpstreamFailure, badAnswer, codeOf, notOfTheApi } from './failure.ts'
import { SseReader } from './sse.ts'
import type { Reply } from './post.ts'

/** After every choice has ended, the usage and `[DONE]` have so long to come. */
const REST_WITHIN_MS = 2_000
/** A connection whose answer has ended is used again if the server ends the response in this time. */
const CLOSE_WITHIN_MS = 250

export interface Chunk {
  readonly json: unknown
  /** Its JSON text as the server sent it. */
  readonly source: string
  /** All of the answer, which a stream never has in one. */
  readonly isWhole: boolean
}

/**
 * The JSON objects of an answer as they come: the chunks of a stream, or the whole body as the only
 * one, whatever its content type says. It ends where the answer is complete: at `[DONE]`, after the last finish
 * reason of so many choices, or after a whole body. Throws an `UpstreamFailure` for an error in it, and where it is cut off.
 */
export async function* chunksOf(reply: Reply, choices: number): AsyncGenerator<Chunk, void, void> {
  const answer = new AnswerReader(choices)
  const iterator = reply.body.iterator({ destroyOnReturn: false })
  let hasBegun = false
  let isDrained = false
  let timer: NodeJS.Timeout | undefined
  try {
    for (;;) {
      const piece = await iterator.next()
      if (piece.done === true) answer.end()
      else answer.add(piece.value as Buffer)
      for (const chunk of answer.take()) {
        hasBegun = true
        yield chunk
      }
      answer.throwIfFailed()
      if (answer.isComplete || piece.done === true) break
      if (answer.areChoicesEnded) timer ??= setTimeout(reply.close, REST_WITHIN_MS)
    }
    if (!answer.isComplete && !answer.areChoicesEnded) throw answer.cutOff()
    drain(reply)
    isDrained = true
  } catch (error) {
    if (error instanceof UpstreamFailure) throw error
    // Broken, or closed by the timer: nothing is missing from an answer whose choices have ended.
    if (answer.areChoicesEnded) return
    if (!hasBegun) throw new ConnectionFailure(error, { wasConnected: true })
    throw badAnswer(`the answer was cut off (${codeOf(error)})`)
  } finally {
    clearTimeout(timer)
    if (!isDrained) reply.close()
  }
}

/** Lets the server end its response, so that the connection can be used again, and ends it otherwise. */
function drain(reply: Reply): void {
  const timer = setTimeout(reply.close, CLOSE_WITHIN_MS)
  reply.body.once('close', () => clearTimeout(timer)).resume()
}

/** Makes chunks of bytes. */
class AnswerReader {
  readonly #decoder = new TextDecoder()
  readonly #choices: OpenChoices
  readonly #sse: SseReader
  #chunks: Chunk[] = []
  #failure: UpstreamFailure | undefined
  #sawChunk = false
  #isDone = false
  #isWhole = false

  constructor(choices: number) {
    this.#choices = new OpenChoices(choices)
    this.#sse = new SseReader({
      onEvent: (name, data) => this.#event(name, data),
      onJson: (json, source) => this.#json({ json, source }, false),
    })
  }

  get areChoicesEnded(): boolean {
    return this.#choices.areEnded
  }

  /** Nothing that follows belongs to it. */
  get isComplete(): boolean {
    return this.#isDone || this.#isWhole
  }

  add(bytes: Uint8Array): void {
    this.#sse.feed(this.#decoder.decode(bytes, { stream: true }))
  }

  end(): void {
    this.#sse.feed(this.#decoder.decode())
    this.#sse.end()
  }

  /** The chunks since the last time. */
  take(): Chunk[] {
    const taken = this.#chunks
    this.#chunks = []
    return taken
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  cutOff(): UpstreamFailure {
    const isOther = !this.#sawChunk && this.#sse.sawOther
    return isOther ? notOfTheApi() : badAnswer('the answer was cut off')
  }

  #event(name: string, data: string): void {
    const text = data.trim()
    if (text === '' || this.isComplete || this.#failure !== undefined) return
    if (text === '[DONE]') {
      this.#isDone = true
      return
    }
    const isError = name === 'error'
    const json = parsed(text)
    if (json !== undefined) this.#json({ json, source: text }, true, isError)
    else if (isError) this.#failure = badAnswer(errorIn(text, true) ?? text)
    // Servers that leave the blank line between two events out.
    else if (text.includes('\n')) for (const line of text.split('\n')) this.#event(name, line)
    // A heartbeat has a name and no JSON.
    else if (name === '' || name === 'message') this.#failure = notOfTheApi()
  }

  #json({ json, source }: Omit<Chunk, 'isWhole'>, isFramed: boolean, isError = false): void {
    if (this.isComplete || this.#failure !== undefined || json === null) return
    const message = errorIn(json, isError)
    if (message !== undefined) this.#failure = badAnswer(message, json)
    else if (Array.isArray(json)) {
      const sources = elementsOf(source)
      for (const [index, item] of json.entries()) {
        this.#json({ json: item, source: sources[index] as string }, isFramed)
      }
    } else if (!isObject(json)) this.#failure = notOfTheApi()
    else {
      this.#sawChunk = true
      this.#choices.add(json)
      this.#isWhole = isWhole(json, isFramed)
      this.#chunks.push({ json, source, isWhole: this.#isWhole })
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
