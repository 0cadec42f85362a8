import { isOfContent } from '../../../gateway/event-log.ts'
import { textParts } from './answer-parts.ts'
import { chunkPartsOf, newPartsOf, wholeAnswerOf } from './engine-answer.ts'
import { cutBy, endOfAnswer, endWithout } from './response-end.ts'
import { openState, responseObject } from './response-object.ts'
import { ResponseOutput } from './response-output.ts'
import { usageOfEngine, usageOfWorker } from './response-usage.ts'
import type { JobEvent, JobView, Outcome } from '../../../job.ts'
import type { AnswerParts } from './answer-parts.ts'
import type { WholeAnswer } from './engine-answer.ts'
import type { Fields } from '../json-fields.ts'
import type { Step } from './output-items.ts'
import type { ResponseState } from './response-object.ts'
import type { ResponseEvent, ResponseFrame, ResponseObject } from './response-types.ts'

type Success = Extract<Outcome, { readonly kind: 'succeeded' }>
type DeltaEvent = Extract<JobEvent, { readonly kind: 'delta' }>

/** What one attempt has told. */
interface Attempt {
  readonly output: ResponseOutput
  /** It has told something, if only that it began. */
  hasBegun: boolean
  /** Its text as readers without chunks get it. */
  text: string
  finish: string | undefined
  usage: Fields | undefined
}

/**
 * The events of a response, made of the events of its job. Every reader on every replica gets
 * the same events with the same numbers, so nothing here may depend on when a replica looked:
 * not on `status`, not on batches, and not on the clock.
 */
export class ResponseFold {
  readonly #frame: ResponseFrame
  #attempts = 0
  #attempt: Attempt
  #last = -1
  #state: ResponseState
  #hasEnded = false

  constructor(frame: ResponseFrame) {
    this.#frame = frame
    this.#attempt = this.#newAttempt()
    this.#state = openState(frame.echo.background ? 'queued' : 'in_progress')
  }

  /** The number of the last event; -1 before the first one. */
  get last(): number {
    return this.#last
  }

  get response(): ResponseObject {
    if (this.#hasEnded) return responseObject(this.#frame, this.#state)
    const output = this.#attempt.output.endedItems()
    return responseObject(this.#frame, { ...this.#state, output })
  }

  /** What can be told before anything is known of the job. */
  begin(): ResponseEvent[] {
    const steps = [this.#whole('created')]
    if (this.#frame.echo.background) steps.push(this.#whole('queued'))
    return this.#numbered(steps)
  }

  /** What one event of the job adds. */
  step(event: JobEvent): ResponseEvent[] {
    return this.#hasEnded ? [] : this.#numbered(this.#stepsOf(event))
  }

  #stepsOf(event: JobEvent): Step[] {
    switch (event.kind) {
      case 'status':
        return []
      case 'restart':
        // A replica that looks before the worker writes may begin with one: it voids nothing.
        return isOfContent(event.id) || !this.#attempt.hasBegun ? [] : this.#restart()
      case 'delta':
        // What was not streamed is taken from the result, which is known at the end.
        return isOfContent(event.id) ? [] : this.#delta(event)
      case 'done':
        return this.#end(event.view)
    }
  }

  #delta({ text, chunks: source }: DeltaEvent): Step[] {
    const steps = this.#inProgress()
    const attempt = this.#attempt
    attempt.hasBegun = true
    attempt.text += text
    const chunks = source === undefined ? undefined : chunkPartsOf(source)
    if (chunks === undefined) return [...steps, ...attempt.output.say(textParts(text))]
    for (const chunk of chunks) {
      attempt.finish = chunk.finish ?? attempt.finish
      attempt.usage = chunk.usage ?? attempt.usage
      steps.push(...attempt.output.say(newPartsOf(chunk, attempt.output.isEmpty)))
    }
    return steps
  }

  /** The answer begins again: its output is empty, and its items get other ids. */
  #restart(): Step[] {
    this.#attempts += 1
    this.#attempt = this.#newAttempt()
    return [this.#whole('in_progress')]
  }

  #newAttempt(): Attempt {
    const output = new ResponseOutput(this.#frame.id, this.#attempts)
    return { output, hasBegun: false, text: '', finish: undefined, usage: undefined }
  }

  #inProgress(): Step[] {
    if (this.#attempts > 0 || this.#attempt.hasBegun) return []
    this.#state = openState('in_progress')
    return [this.#whole('in_progress')]
  }

  #end(view: JobView): Step[] {
    const { outcome } = view
    if (outcome?.kind === 'succeeded') return this.#succeed(view, outcome)
    const output = this.#attempt.output.items('incomplete')
    this.#finish({ ...openState('failed'), ...endWithout(view), output })
    return [this.#whole('failed')]
  }

  #succeed(view: JobView, outcome: Success): Step[] {
    const whole = wholeAnswerOf(outcome.body)
    const steps = [...this.#inProgress(), ...this.#rest(outcome, whole)]
    const { output, finish, usage } = this.#attempt
    const details = cutBy(whole?.finish ?? outcome.finishReason ?? finish)
    steps.push(...output.end(details === null ? 'completed' : 'incomplete'))
    this.#finish({
      ...endOfAnswer(view, details),
      output: output.items('completed'),
      usage:
        usageOfEngine(whole?.usage) ?? usageOfEngine(usage) ?? usageOfWorker(outcome.usage) ?? null,
    })
    return [...steps, this.#whole(details === null ? 'completed' : 'incomplete')]
  }

  /** What of the answer was not streamed; all of it where another answer was streamed. */
  #rest({ content }: Success, whole: WholeAnswer | undefined): Step[] {
    const { output } = this.#attempt
    if (whole !== undefined) {
      return output.isBeginOf(whole.parts) ? output.complete(whole.parts) : this.#again(whole.parts)
    }
    const left = this.#textLeft(content)
    return left === undefined ? this.#again(textParts(content)) : output.say(textParts(left))
  }

  /**
   * The end of a content that begins with what was streamed. A result without the engine's body
   * tells the text alone, so all else that was streamed stays.
   */
  #textLeft(content: string): string | undefined {
    const { output, text } = this.#attempt
    const said = output.said('output_text')
    if (content.startsWith(said)) return content.slice(said.length)
    // A worker's own text may differ from that of its chunks. Then the chunks are what the engine said.
    const isOfChunks = text !== said && (text !== '' || content === '')
    return isOfChunks && content.startsWith(text) ? content.slice(text.length) : undefined
  }

  #again(whole: AnswerParts): Step[] {
    const steps = this.#restart()
    return [...steps, ...this.#attempt.output.complete(whole)]
  }

  #finish(state: ResponseState): void {
    this.#state = state
    this.#hasEnded = true
  }

  #whole(name: 'created' | 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'failed'): Step {
    return { type: `response.${name}`, response: this.response }
  }

  #numbered(steps: readonly Step[]): ResponseEvent[] {
    return steps.map(({ type, ...fields }) => {
      this.#last += 1
      return { type, sequence_number: this.#last, ...fields }
    })
  }
}
