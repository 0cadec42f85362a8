/** What is served under `/v1`, and by which queue. */

/** An endpoint, as workers name those that they serve. */
export type Endpoint = 'chat' | 'completions' | 'embeddings'

/** Where jobs for a model go. */
export interface ModelRoute {
  readonly queue: string
  /** The model's name at the worker. */
  readonly name: string
  /** The worker carries whole bodies of OpenAI endpoints. False: it takes messages and gives text. */
  readonly isVerbatim: boolean
  /** True where workers serve the model now, and each has named its endpoints without the one that was asked for. */
  readonly lacksEndpoint?: boolean
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
  /** Undefined for a model that no worker has announced and no setting names. Prefers a queue whose workers serve the endpoint. */
  route(id: string, endpoint?: Endpoint): ModelRoute | undefined
  all(): readonly Model[]
  /**
   * Above 0 after a start, as long as workers may be there that have not been heard yet: a model
   * without a route may still be announced within so many ms, so a client should ask again then. At
   * 0, a model without a route does not exist.
   */
  settlesInMs(): number
}

/** What the setting `MODELS` says of one model. */
export interface ModelSetting {
  readonly id: string
  readonly queue: string
  /** The model's name at the worker. */
  readonly name: string
}

/** A model at a queue that workers have announced, as Redis remembers it for all gateways. */
export interface ModelMemory {
  readonly queue: string
  readonly name: string
  readonly isVerbatim: boolean
  /** When it was first heard of, in ms since 1970. */
  readonly createdAt: number
  /** For how long no worker has served it. */
  readonly ageMs: number
}
