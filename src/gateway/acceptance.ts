import { GatewayError } from '../errors.ts'

/** Whether the broker has a job's message, and what its clients are told by that. */
export class Acceptance {
  #state: 'none' | 'unknown' | 'accepted' = 'none'
  readonly #listeners: (() => void)[] = []

  get isAccepted(): boolean {
    return this.#state === 'accepted'
  }

  /** Not sent, or refused. */
  none(): void {
    this.#state = 'none'
  }

  /** Sent and not answered: anything may have happened to it. */
  unknown(): void {
    this.#state = 'unknown'
  }

  accepted(): void {
    this.#state = 'accepted'
    this.settle()
  }

  /** Calls back when it is accepted, or nothing more will be known. */
  whenSettled(listener: () => void): void {
    if (this.isAccepted) listener()
    else this.#listeners.push(listener)
  }

  settle(): void {
    for (const listener of this.#listeners.splice(0)) listener()
  }

  /** What a stop says of the job. */
  interrupted(): GatewayError {
    const { code, message } = INTERRUPTED[this.#state]
    return new GatewayError(code, message)
  }

  /** What a request is told whose time is over; `nobody` is why it may be, when it is known. */
  timedOut(timeoutMs: number, nobody: string): GatewayError {
    const after = `no outcome after ${timeoutMs / 1000} s`
    if (this.#state === 'none') return new GatewayError('results_down', `${after}: not published`)
    if (this.#state === 'unknown') return acceptanceUnknown(new Error(after))
    return new GatewayError('timed_out', `${after}${nobody}. The same request joins the job again`)
  }
}

const INTERRUPTED = {
  none: { code: 'draining', message: 'the gateway is stopping' },
  unknown: { code: 'acceptance_unknown', message: 'the gateway is stopping; the job may run' },
  accepted: { code: 'interrupted', message: 'the gateway is stopping; the job goes on' },
} as const

export const acceptanceUnknown = (cause: unknown) =>
  new GatewayError('acceptance_unknown', 'the job may run: its acceptance was not confirmed', {
    cause,
  })
