/** What a client knows of a job after one answer; `broken`: the connection went before it. */
export type AnswerClass = 'answered' | 'accepted' | 'unknown' | 'refused' | 'broken' | 'hung'

export interface Attempt {
  readonly startedAt: number
  readonly ms: number
  readonly answer: AnswerClass
  /** The error's code, or `200`. */
  readonly code: string
  /** What a 200 carried. */
  readonly content?: string
  /** Made after everything was over, to see what became of the job. */
  readonly isLastAsk: boolean
}

export interface JobRecord {
  readonly id: string
  readonly payload: string
  readonly attempts: Attempt[]
}

/** One execution by a worker, with a mark that no other has. */
export interface Execution {
  readonly id: string
  readonly mark: string
}

export interface Counts {
  /** Jobs sent, each under an id of its own. */
  readonly sent: number
  /** Jobs of which a client knew that they were accepted. */
  readonly accepted: number
  readonly answered: number
  /** Jobs of which a client could not know it. */
  readonly unknown: number
  /** Refused and never sent again. */
  readonly refused: number
  /** Accepted, and without an outcome after everything was over. */
  readonly lost: number
  /** Answers that were another job's. */
  readonly crossed: number
  /** Requests not answered by their deadline and one second. */
  readonly hung: number
  /** Refused as not accepted, and run all the same; or answers of no known kind. */
  readonly unexpected: number
  /** Jobs of which two answers differ. */
  readonly changed: number
  /** Executions beyond the first of a job. */
  readonly duplicated: number
  /** Not known to be accepted, and with an outcome in the end. */
  readonly recovered: number
}

/** Everything that was sent, answered and run, from which the counts are made. */
export class History {
  readonly jobs = new Map<string, JobRecord>()
  readonly executions: Execution[] = []

  open(id: string, payload: string): JobRecord {
    const job: JobRecord = { id, payload, attempts: [] }
    this.jobs.set(id, job)
    return job
  }

  counts(deadlineMs: number): Counts {
    const jobs = [...this.jobs.values()]
    const ran = new Map<string, number>()
    for (const { id } of this.executions) ran.set(id, (ran.get(id) ?? 0) + 1)
    const count = (is: (job: JobRecord) => boolean): number => jobs.filter(is).length
    const isAccepted = (job: JobRecord) => was(job, 'answered') || was(job, 'accepted')
    const isUnknown = (job: JobRecord) =>
      !isAccepted(job) && (was(job, 'unknown') || was(job, 'broken'))
    const isRefused = (job: JobRecord) => job.attempts.every(({ answer }) => answer === 'refused')
    const attempts = jobs.flatMap((job) => job.attempts.map((attempt) => ({ job, attempt })))
    return {
      sent: jobs.length,
      accepted: count(isAccepted),
      answered: count((job) => was(job, 'answered')),
      unknown: count(isUnknown),
      refused: count(isRefused),
      lost: count((job) => isAccepted(job) && !hasOutcome(job)),
      crossed: attempts.filter(({ job, attempt }) => isCrossed(job, attempt)).length,
      hung: attempts.filter(({ attempt }) => attempt.ms > deadlineMs + 1_000).length,
      unexpected: count((job) => isRefused(job) && ran.has(job.id)),
      changed: count((job) => contentsOf(job).size > 1),
      duplicated: this.executions.length - ran.size,
      recovered: count((job) => isUnknown(job) && hasOutcome(job)),
    }
  }

  /** How often each kind of answer came, for a person to read. */
  codes(): Record<string, number> {
    const codes: Record<string, number> = {}
    for (const job of this.jobs.values()) {
      for (const { code } of job.attempts) codes[code] = (codes[code] ?? 0) + 1
    }
    return codes
  }
}

/** What the client knew by itself, before the last ask. */
const was = (job: JobRecord, answer: AnswerClass): boolean =>
  job.attempts.some((attempt) => !attempt.isLastAsk && attempt.answer === answer)

const hasOutcome = (job: JobRecord): boolean =>
  job.attempts.some(({ answer }) => answer === 'answered')

const isCrossed = (job: JobRecord, { answer, content }: Attempt): boolean =>
  answer === 'answered' && payloadOf(content ?? '') !== job.payload

const contentsOf = (job: JobRecord): Set<string | undefined> =>
  new Set(job.attempts.flatMap(({ answer, content }) => (answer === 'answered' ? [content] : [])))

/** A worker's answer: the payload, and a mark of this very execution. */
export const answerTo = (payload: string, mark: string): string => `${mark} ${payload}`
const payloadOf = (answer: string): string => answer.slice(answer.indexOf(' ') + 1)
