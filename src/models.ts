/** What is served under `/v1`, and by which queue. */

/** Where jobs for a model go. */
export interface ModelRoute {
  readonly queue: string
  /** The model's name at the worker. */
  readonly name: string
  /** The worker carries whole bodies of OpenAI endpoints. False: it takes messages and gives text. */
  readonly isVerbatim: boolean
}

/** A model as `/v1/models` lists it. */
export interface Model {
  readonly id: string
  /** When it was first heard of, in ms since 1970. */
  readonly createdAt: number
  readonly ownedBy: string
  /** A worker that serves it is there now. */
  readonly isServed: boolean
}

export interface Models {
  /** Undefined for a model that no worker has announced and no setting names. */
  route(id: string): ModelRoute | undefined
  all(): readonly Model[]
}
