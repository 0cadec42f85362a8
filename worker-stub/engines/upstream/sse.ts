import { createParser } from 'eventsource-parser'
import { badAnswer } from './failure.ts'

/** Longer than any answer, and short enough for a worker's memory: more characters make neither a line nor an answer. */
export const MAX_CHARACTERS = 64 * 1024 * 1024
/** A JSON text over several lines is tried so often before the end of the answer: each try costs its length. */
const MAX_TRIES = 16

export interface SseListener {
  /** The name is empty where the server gave none. */
  onEvent(name: string, data: string): void
  /** A JSON text that is in no event, as of a server that does not stream, and its source. */
  onJson(json: unknown, source: string): void
}

/**
 * Takes the text of an answer in pieces of any size, and tells its events. JSON texts between the
 * events, or alone, are told as well: some servers write an error or their whole answer in this way.
 */
export class SseReader {
  readonly #listener: SseListener
  readonly #parser: ReturnType<typeof createParser>
  /** The last piece ended in CR, of which an LF may be the other half. */
  #endsInCr = false
  #unframed: string[] = []
  #unframedLength = 0
  #tries = 0
  /** Lines that are of no known form. */
  sawOther = false

  constructor(listener: SseListener) {
    this.#listener = listener
    this.#parser = createParser({
      maxBufferSize: MAX_CHARACTERS,
      onEvent: ({ event = '', data }) => listener.onEvent(event, data),
      onError: ({ type, field, value, line = '' }) => {
        if (type === 'max-buffer-size-exceeded') throw tooLong()
        if (type === 'unknown-field') this.#otherLine(field ?? '', value ?? '', line)
      },
    })
  }

  /** The parser gets one kind of line end: it would hold a CR at the end of a piece back. */
  feed(text: string): void {
    if (text === '') return
    const rest = this.#endsInCr && text.startsWith('\n') ? text.slice(1) : text
    this.#endsInCr = text.endsWith('\r')
    this.#parser.feed(rest.includes('\r') ? rest.replaceAll(/\r\n?/g, '\n') : rest)
  }

  /** No more text comes: what was begun counts as if a blank line followed. */
  end(): void {
    this.#parser.feed('\n\n')
    if (this.#unframed.length > 0) this.#tellUnframed()
  }

  #otherLine(field: string, value: string, line: string): void {
    // Of llama.cpp: `error: {…}`, which is no field of an event.
    if (field === 'error' && this.#unframed.length === 0) {
      this.#listener.onEvent('error', value)
      return
    }
    this.sawOther = true
    const isBegun = this.#unframed.length > 0
    if (!isBegun && !/^\s*[[{]/.test(line)) return
    this.#unframed.push(line)
    this.#unframedLength += line.length + 1
    if (this.#unframedLength > MAX_CHARACTERS) throw tooLong()
    // The end of a JSON text, on one line or as printers lay it out over several.
    const isEnd = isBegun ? /^[\]}]/.test(line) : /[\]}]\s*$/.test(line)
    if (isEnd && this.#tries < MAX_TRIES) this.#tellUnframed()
  }

  /** If it is not yet the whole text, it is kept. */
  #tellUnframed(): void {
    const source = this.#unframed.join('\n')
    let json: unknown
    try {
      json = JSON.parse(source)
    } catch {
      this.#tries += 1
      return
    }
    this.#unframed = []
    this.#unframedLength = 0
    this.#tries = 0
    this.#listener.onJson(json, source)
  }
}

const tooLong = () => badAnswer(`the answer has a line of more than ${MAX_CHARACTERS} characters`)
