/**
 * The nouns of the Responses API, as OpenAI's SDKs name their fields.
 * https://platform.openai.com/docs/api-reference/responses
 *
 * - **Response**: a job that was asked for by `POST /v1/responses`. Its id is the job's id.
 * - **Item**: a message, a piece of reasoning, a call of a function, or what that gave back.
 * - **Echo**: what the response repeats of its request.
 * - **Event**: one step of a response as its stream tells it. Its number is its place in the stream.
 */

/** An item of the input or the output. */
export interface Item {
  readonly type: string
  readonly id: string
  readonly [field: string]: unknown
}

/** Every field of the request that the response object must have, by OpenAI's types or by Open Responses. */
export interface Echo {
  readonly background: boolean
  readonly frequency_penalty: number
  readonly instructions: string | null
  readonly max_output_tokens: number | null
  readonly max_tool_calls: number | null
  readonly metadata: Readonly<Record<string, string>> | null
  /** As the client names it. */
  readonly model: string
  readonly parallel_tool_calls: boolean
  readonly presence_penalty: number
  readonly previous_response_id: string | null
  readonly prompt_cache_key: string | null
  readonly reasoning: object | null
  readonly safety_identifier: string | null
  readonly service_tier: string
  readonly store: boolean
  readonly temperature: number | null
  readonly text: object
  readonly tool_choice: unknown
  readonly tools: readonly unknown[]
  readonly top_logprobs: number
  readonly top_p: number | null
  readonly truncation: string
  readonly user: string | null
}

/** What is kept in Redis of a request, as long as its response can be read. */
export interface StoredResponse {
  readonly v: 1
  readonly echo: Echo
  /** With the items of the responses before it in front, where it continues one. */
  readonly input: readonly Item[]
}

/** What each event and the object itself need of the response beside its job's events. */
export interface ResponseFrame {
  readonly id: string
  /** In seconds since 1970. */
  readonly createdAt: number
  readonly echo: Echo
}

export type ResponseStatus =
  | 'queued'
  | 'in_progress'
  | 'completed'
  | 'failed'
  | 'cancelled'
  | 'incomplete'

/** The object that `GET /v1/responses/{id}` gives, and that the events of a whole response carry. */
export interface ResponseObject extends Echo {
  readonly id: string
  readonly object: 'response'
  readonly created_at: number
  /** In seconds since 1970; null unless it is completed. */
  readonly completed_at: number | null
  readonly status: ResponseStatus
  readonly error: { readonly code: 'server_error'; readonly message: string } | null
  readonly incomplete_details: { readonly reason: 'max_output_tokens' | 'content_filter' } | null
  readonly output: readonly Item[]
  readonly usage: ResponseUsage | null
}

export interface ResponseUsage {
  readonly input_tokens: number
  readonly input_tokens_details: {
    readonly cached_tokens: number
    readonly cache_write_tokens: number
  }
  readonly output_tokens: number
  readonly output_tokens_details: { readonly reasoning_tokens: number }
  readonly total_tokens: number
}

export interface ResponseEvent {
  readonly type: string
  /** 0 for `response.created`, then one more for each event. */
  readonly sequence_number: number
  readonly [field: string]: unknown
}
