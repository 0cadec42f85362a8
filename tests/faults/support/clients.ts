import { randomUUID } from 'node:crypto'
import { Agent } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { generate } from '../../support/http-client.ts'
import { CANARY } from './canary.ts'
import { Stalls } from './stalls.ts'
import type { Reply } from '../../support/http-client.ts'
import type { AnswerClass, Attempt, History, JobRecord } from './history.ts'

export interface ClientsOptions {
  readonly history: History
  /** Gateways; one that does not answer is tried again, with the next attempt at the next one. */
  readonly urls: () => readonly string[]
  /** New jobs a second, whatever becomes of the ones before. */
  readonly ratePerS: number
  readonly maxPending: number
  /** How long a gateway holds a request. */
  readonly deadlineMs: number
  /** Whether a client sends its job again, by the same id, until it has an outcome. */
  readonly retries: boolean
}

/** Codes after which a client knows that its job will run or has run. */
const ACCEPTED = new Set(['timed_out', 'interrupted', 'job_expired', 'worker_failed', 'bad_result'])
/** Answered jobs that are asked for once more. */
const SAMPLE = 1_000
const MAX_ATTEMPTS = 60
const RETRY_MS = 200
/** Beyond what is counted as hung, so that it is seen and not waited for. */
const PATIENCE_MS = 5_000

type Seen = Pick<Attempt, 'answer' | 'code' | 'content'>

/** Many clients, each with a job of its own, who write down what they see. */
export class Clients {
  readonly #options: ClientsOptions
  readonly #agent: Agent
  readonly #pending = new Set<Promise<void>>()
  readonly #stalls = new Stalls()
  #running: Promise<void> = Promise.resolve()
  #isStopping = false

  constructor(options: ClientsOptions) {
    this.#options = options
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.maxPending })
  }

  start(): void {
    this.#running = this.#sendAtRate()
  }

  /** Sends nothing new; resolves when every client has its last answer. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#running
    await Promise.all(this.#pending)
  }

  /**
   * Asks once more for every job whose outcome its client does not know, and for
   * some of those answered since that moment, whether their outcome is the same.
   */
  async askAgain(answeredAfter: number): Promise<void> {
    const jobs = [...this.#options.history.jobs.values()]
    const last = (job: JobRecord): AnswerClass | undefined => job.attempts.at(-1)?.answer
    const open = jobs.filter((job) => !['answered', 'refused'].includes(last(job) ?? 'broken'))
    const answered = jobs.filter(
      (job) => last(job) === 'answered' && (job.attempts.at(-1)?.startedAt ?? 0) > answeredAfter,
    )
    const every = Math.max(1, Math.ceil(answered.length / SAMPLE))
    const sample = answered.filter((_, index) => index % every === 0)
    const queue = [...open, ...sample]
    const work = async (): Promise<void> => {
      for (let job = queue.pop(); job !== undefined; job = queue.pop()) {
        await this.#insist(job, true)
      }
    }
    await Promise.all(Array.from({ length: 32 }, work))
    this.#agent.destroy()
    this.#stalls.stop()
  }

  async #sendAtRate(): Promise<void> {
    const { ratePerS, maxPending } = this.#options
    const started = performance.now()
    for (let sent = 0; !this.#isStopping;) {
      const due = ((performance.now() - started) / 1000) * ratePerS
      for (; sent < due; sent += 1) if (this.#pending.size < maxPending) this.#send()
      await delay(5)
    }
  }

  #send(): void {
    const { history, retries } = this.#options
    const id = randomUUID()
    const job = history.open(id, `${CANARY} ${id}`)
    const done = (retries ? this.#insist(job, false) : this.#ask(job, 0, false)).then(() => {
      this.#pending.delete(done)
    })
    this.#pending.add(done)
  }

  /** As a client with patience does it: the same job again, elsewhere, until it has an outcome. */
  async #insist(job: JobRecord, isLastAsk: boolean): Promise<void> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const { answer } = await this.#ask(job, attempt, isLastAsk)
      if (answer === 'answered' || answer === 'hung') return
      await delay(RETRY_MS)
    }
  }

  async #ask(job: JobRecord, attempt: number, isLastAsk: boolean): Promise<Attempt> {
    const urls = this.#options.urls()
    const url = urls[(attempt + job.id.charCodeAt(0)) % urls.length] as string
    const startedAt = performance.now()
    const stalledBefore = this.#stalls.ms
    const got = await this.#generate(url, job)
    const stalledMs = this.#stalls.ms - stalledBefore
    const made = { ...got, startedAt, ms: performance.now() - startedAt - stalledMs, isLastAsk }
    job.attempts.push(made)
    return made
  }

  async #generate(url: string, { id, payload }: JobRecord): Promise<Seen> {
    const signal = AbortSignal.timeout(this.#options.deadlineMs + PATIENCE_MS)
    try {
      return classOf(await generate(url, id, payload, { agent: this.#agent, signal }))
    } catch (error) {
      if (signal.aborted) return { answer: 'hung', code: 'hung' }
      // Nothing was sent: as good as a refusal.
      const isRefused = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
      if (isRefused) return { answer: 'refused', code: 'not_listening' }
      return { answer: 'broken', code: 'broken' }
    }
  }
}

function classOf({ status, body }: Reply): Seen {
  if (status === 200) return { answer: 'answered', code: '200', content: body.content ?? '' }
  const code = body.code ?? String(status)
  if (ACCEPTED.has(code)) return { answer: 'accepted', code }
  return { answer: code === 'acceptance_unknown' ? 'unknown' : 'refused', code }
}
