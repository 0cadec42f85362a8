import { sourceAt, withMembers } from '../../json-source.ts'
import { isOfContent } from '../../gateway/event-log.ts'
import { usageOf } from './answer.ts'
import {
  chunkOfChoice,
  chunkWith,
  chunksOf,
  chunksOfAnswer,
  saysFirst,
  saysSomething,
  wholeChoicesIn,
  withoutRole,
} from './chunk.ts'
import { changesOf, choicesIn, withBothReasonings } from './engine-json.ts'
import { PING, dataOf } from './event-lines.ts'
import { failureOf, workerRestarted } from './openai-errors.ts'
import { SaidChoice } from './said-choice.ts'
import { SaidText } from './said-text.ts'
import type { JobEvent, Outcome } from '../../job.ts'
import type { Changes } from '../../json-source.ts'
import type { EventWriter } from '../sse.ts'
import type { Chunk, ChunkKind } from './chunk.ts'
import type { Envelope } from './engine-json.ts'
import type { ErrorObject } from '../error-object.ts'

type Success = Extract<Outcome, { readonly kind: 'succeeded' }>

export interface ChunkStream {
  readonly kind: ChunkKind
  readonly envelope: Envelope
  /** The worker's own chunks are passed on. Else chunks are made of its text. */
  readonly isVerbatim: boolean
  readonly wantsUsage: boolean
  readonly errorOf: (error: unknown) => ErrorObject
}

/** Writes the events of one job as chunks of the OpenAI API, which ends with `[DONE]` or with an error. */
export class ChunkWriter implements EventWriter {
  readonly #stream: ChunkStream
  readonly #envelope: Changes
  /** The envelope behind the last member of a chunk that is made here. */
  readonly #ending: string
  readonly #said = new SaidText()
  /** The choices that the client has heard of, and those of them that have an end. */
  readonly #begun = new Set<number>()
  readonly #finished = new Set<number>()
  readonly #withTools = new Set<number>()
  readonly #choices = new Map<number, SaidChoice>()
  #hasChunks = false
  /** The client has more than text of the first choice, which a second worker cannot repeat. */
  #hasMore = false
  #isAgain = false
  /** The text of the deltas, as other readers get it, is the content of their chunks. */
  #isOfOneText = true
  /** Of that text, what no chunk has said yet: a long text comes in pieces, and its chunks with the last one. */
  #ahead = ''
  #usage: string | undefined
  #isOver = false

  constructor(stream: ChunkStream) {
    this.#stream = stream
    this.#envelope = changesOf(stream.envelope)
    this.#ending = `,${withMembers('{}', this.#envelope).slice(1)}`
  }

  readonly ping = (): string => PING

  readonly failure = (error: unknown): string => (this.#isOver ? '' : this.#fail(error))

  readonly events = (batch: readonly JobEvent[]): string => {
    const text = batch.map((event) => (this.#isOver ? '' : this.#event(event))).join('')
    // Node sends the headers with the first words of the body.
    return text === '' && this.#begun.size === 0 && !this.#isOver ? PING : text
  }

  #event(event: JobEvent): string {
    switch (event.kind) {
      case 'status':
        return ''
      case 'restart':
        return isOfContent(event.id) ? '' : this.#restart()
      case 'delta':
        // What was not streamed is taken from the result, which is known at the end.
        return isOfContent(event.id) ? '' : this.#delta(event)
      case 'done':
        return this.#end(event.view.outcome)
    }
  }

  #restart(): string {
    if (this.#hasMore) return this.#fail(workerRestarted())
    this.#said.restart()
    this.#isAgain = true
    this.#usage = undefined
    this.#ahead = ''
    return ''
  }

  #delta({ text, chunks: source }: Extract<JobEvent, { readonly kind: 'delta' }>): string {
    const chunks = this.#stream.isVerbatim ? chunksOf(source, this.#stream.kind) : undefined
    if (chunks === undefined) return this.#text(text)
    this.#hasChunks = true
    this.#compare(text, chunks)
    return chunks.map((chunk) => (this.#isOver ? '' : this.#chunk(chunk))).join('')
  }

  #compare(text: string, chunks: readonly Chunk[]): void {
    const pieces = chunks.flatMap(({ choices }) => choices).filter(({ index }) => index === 0)
    const content = pieces.map((piece) => piece.content).join('')
    this.#ahead += text
    if (this.#ahead.startsWith(content)) this.#ahead = this.#ahead.slice(content.length)
    else this.#isOfOneText = false
  }

  #text(text: string): string {
    const news = this.#said.next(text)
    if (news === undefined) return this.#fail(workerRestarted())
    this.#saidOf(0).add({ content: news })
    return news === ''
      ? ''
      : this.#write(0, chunkWith(this.#stream.kind, 0, { delta: { content: news } }))
  }

  #chunk(chunk: Chunk): string {
    const { source, choices, isUsage } = chunk
    if (isUsage) {
      // It is the last one, also where the gateway has to add an end before it.
      this.#usage = source
      return ''
    }
    if (this.#isAgain && choices.length > 0) return this.#chunkAgain(chunk)
    for (const { index, content } of choices) if (index === 0) this.#said.next(content)
    return this.#pass(chunk)
  }

  /** Of a second attempt: the client gets what it does not have, and the role only once. */
  #chunkAgain(chunk: Chunk): string {
    const { kind } = this.#stream
    const [piece, ...others] = chunk.choices
    const isOfText = piece?.index === 0 && !piece.hasMore && others.length === 0
    if (!isOfText && this.#said.isBehind) return this.#fail(workerRestarted())
    if (piece?.index !== 0) return this.#pass(chunk)
    const news = this.#said.next(piece.content)
    const endsEarly = piece.isFinish && this.#said.isBehind
    if (news === undefined || endsEarly || (news !== '' && this.#finished.has(0))) {
      return this.#fail(workerRestarted())
    }
    if (!this.#begun.has(0)) return this.#pass(chunk)
    const isNews = news !== '' || !isOfText || (piece.isFinish && !this.#finished.has(0))
    if (!isNews) return ''
    const content = news === piece.content ? undefined : news
    const said = { ...piece, delta: { ...piece.delta, content: news } }
    const source = withoutRole(chunk, kind, content)
    return this.#pass({ ...chunk, choices: [said, ...others], source })
  }

  #pass({ source, choices }: Chunk): string {
    const { kind } = this.#stream
    const roles = choices.flatMap(({ index, hasRole }) =>
      kind === 'chat' && !hasRole && !this.#begun.has(index) ? [this.#role(index)] : [],
    )
    for (const { index, isFinish, hasMore, hasToolCalls, delta, logprobs } of choices) {
      this.#begun.add(index)
      this.#saidOf(index).add(delta, logprobs)
      if (isFinish) this.#finished.add(index)
      if (hasToolCalls) this.#withTools.add(index)
      if (hasMore || index !== 0) this.#hasMore = true
    }
    return roles.join('') + this.#line(source)
  }

  /** A chunk of one choice that was made here. */
  #write(index: number, source: string): string {
    const role = this.#stream.kind === 'chat' && !this.#begun.has(index) ? this.#role(index) : ''
    this.#begun.add(index)
    return role + this.#ownLine(source)
  }

  #role(index: number): string {
    const delta = { role: 'assistant', content: '' }
    return this.#ownLine(chunkWith(this.#stream.kind, index, { delta }))
  }

  #end(outcome: Outcome | null): string {
    if (outcome?.kind !== 'succeeded') return this.#fail(failureOf(outcome))
    const body = this.#stream.isVerbatim ? outcome.body : undefined
    const said = this.#rest(outcome, body)
    if (this.#isOver) return said
    const finish = [...this.#begun].map((index) => this.#finish(index, outcome, body)).join('')
    const usage = this.#stream.wantsUsage ? this.#usageOf(outcome, body) : undefined
    this.#isOver = true
    return `${said}${finish}${usage === undefined ? '' : this.#line(usage)}data: [DONE]\n\n`
  }

  /** What the worker did not stream. The client hears of at least one choice. */
  #rest({ content }: Success, body: string | undefined): string {
    const { kind } = this.#stream
    // A worker of whole bodies may leave the content out. Then only its chunks tell it.
    const isTold = content !== '' || body === undefined
    const left = isTold ? this.#said.restOf(content) : undefined
    const isTrusted = this.#hasChunks && (!isTold || !this.#isOfOneText || this.#ahead !== '')
    if (isTold && left === undefined && !isTrusted) return this.#fail(workerRestarted())
    if (!this.#hasChunks && body !== undefined) {
      const already = this.#said.isEmpty ? undefined : (left ?? '')
      const chunks = chunksOf(`[${chunksOfAnswer(body, kind, already).join(',')}]`, kind) ?? []
      if (chunks.length > 0) return chunks.map((chunk) => this.#pass(chunk)).join('')
    }
    const found = this.#hasChunks && body !== undefined ? this.#restOfBody(body) : []
    if (found === undefined) return this.#fail(workerRestarted())
    const rest = found.map((chunk) => this.#pass(chunk)).join('')
    const isOfBody = body !== undefined && this.#hasChunks && saysFirst(body, kind)
    if (left && !isOfBody && !this.#finished.has(0)) {
      return rest + this.#write(0, chunkWith(kind, 0, { delta: { content: left } }))
    }
    return this.#begun.size > 0 ? rest : this.#first()
  }

  /** What the engine said behind the last chunk. Undefined where it is the answer of another worker. */
  #restOfBody(body: string): readonly Chunk[] | undefined {
    const { kind } = this.#stream
    const rest: string[] = []
    for (const { source, index } of wholeChoicesIn(body)) {
      if (this.#finished.has(index) || !saysSomething(source, kind)) continue
      const chunk = this.#begun.has(index)
        ? this.#saidOf(index).restOf(source, index, kind)
        : chunkOfChoice(source, index, kind)
      if (chunk === undefined) return undefined
      if (chunk !== '') rest.push(chunk)
    }
    return chunksOf(`[${rest.join(',')}]`, kind) ?? []
  }

  #saidOf(index: number): SaidChoice {
    const said = this.#choices.get(index) ?? new SaidChoice()
    this.#choices.set(index, said)
    return said
  }

  /** Of an answer without words. */
  #first(): string {
    this.#begun.add(0)
    return this.#stream.kind === 'chat' ? this.#role(0) : ''
  }

  #finish(index: number, { finishReason }: Success, body: string | undefined): string {
    if (this.#finished.has(index)) return ''
    const usual = this.#withTools.has(index) ? 'tool_calls' : 'stop'
    const ofEngine = body === undefined ? undefined : finishIn(body, index)
    const finish = ofEngine ?? (index === 0 ? finishReason : undefined) ?? usual
    return this.#ownLine(chunkWith(this.#stream.kind, index, { finish }))
  }

  #usageOf(outcome: Success, body: string | undefined): string | undefined {
    if (this.#usage !== undefined) return this.#usage
    const ofBody = body === undefined ? undefined : sourceAt(body, ['usage'])
    if (ofBody?.startsWith('{')) return `{"choices":[],"usage":${ofBody}}`
    const usage = usageOf(outcome)
    return usage && JSON.stringify({ choices: [], usage })
  }

  /** Ends the stream. */
  #fail(error: unknown): string {
    this.#isOver = true
    return dataOf(JSON.stringify({ error: this.#stream.errorOf(error) }))
  }

  /** A chunk that was made here, so that it needs no look at its members. It has one at least. */
  #ownLine(source: string): string {
    return dataOf(source.slice(0, -1) + this.#ending)
  }

  #line(source: string): string {
    const { kind } = this.#stream
    const chunk = withMembers(source, this.#envelope)
    return dataOf(kind === 'chat' ? withBothReasonings(chunk, 'delta') : chunk)
  }
}

function finishIn(body: string, index: number): string | undefined {
  for (const [at, choice] of choicesIn(body).entries()) {
    const { index: its = at, finish_reason: finish } = JSON.parse(choice) as Record<string, unknown>
    if (its === index && typeof finish === 'string') return finish
  }
  return undefined
}
