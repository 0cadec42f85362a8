/** Moments on the monotonic clock, in milliseconds, as far as they have come. */
export interface Moments {
  armed?: number
  published?: number
  /** The hint that led to the outcome. */
  hinted?: number
  ended?: number
}

/** Milliseconds of a request's life, by stage; undefined where a stage was not passed through. */
export interface Stages {
  readonly arm?: number | undefined
  readonly queue?: number | undefined
  readonly read?: number | undefined
  readonly total: number
}

export function stagesOf({ armed, published, hinted, ended }: Moments, started: number): Stages {
  return {
    arm: armed !== undefined && armed > started ? armed - started : undefined,
    queue: hinted !== undefined && published !== undefined ? hinted - published : undefined,
    read: hinted !== undefined && ended !== undefined ? ended - hinted : undefined,
    total: performance.now() - started,
  }
}
