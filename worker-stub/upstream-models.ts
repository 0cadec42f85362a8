import * as v from 'valibot'
import { errorFields } from '../src/telemetry/log.ts'
import { endpointUrl } from './engines/upstream/address.ts'
import type { AnnouncedModel } from '../src/announcement.ts'
import type { Log } from '../src/telemetry/log.ts'
import type { OpenaiOptions } from './engines/openai.ts'

/** A server that answers is asked again after so long, one that does not at the next renewal. */
const ASK_AGAIN_MS = 60_000
/** Less than the time between two renewals: the next one does not wait for this answer. */
const ANSWER_WITHIN_MS = 3_000
/** More than a worker may announce. */
const MAX_MODELS = 1_000

const List = v.object({ data: v.array(v.object({ id: v.pipe(v.string(), v.minLength(1)) })) })

export interface UpstreamModelsOptions extends Pick<OpenaiOptions, 'url' | 'model' | 'apiKey'> {
  /** What the worker can do with each of its server's models. */
  readonly capabilities: readonly string[]
  readonly log: Log
  readonly askAgainMs?: number
}

/**
 * The models of an OpenAI-compatible server, as its `/v1/models` lists them. Where a model is set,
 * that one alone, and the server is not asked. While the server does not answer, the models of its
 * last answer are kept, because it may be restarting.
 */
export class UpstreamModels {
  readonly #options: UpstreamModelsOptions
  #models: readonly AnnouncedModel[] = []
  #askAt = Number.NEGATIVE_INFINITY
  #problem: string | undefined

  constructor(options: UpstreamModelsOptions) {
    this.#options = options
    const { model, capabilities } = options
    if (model === undefined) return
    this.#models = [{ name: model, capabilities }]
    this.#askAt = Number.POSITIVE_INFINITY
  }

  /** Never rejects. */
  async current(): Promise<readonly AnnouncedModel[]> {
    const { capabilities, log, askAgainMs = ASK_AGAIN_MS } = this.#options
    if (performance.now() < this.#askAt) return this.#models
    try {
      const names = await this.#ask()
      this.#models = names.map((name) => ({ name, capabilities }))
      this.#askAt = performance.now() + askAgainMs
      this.#problem = undefined
    } catch (error) {
      const problem = v.isValiError(error)
        ? 'the answer is no list of models'
        : errorFields(error).error
      if (problem !== this.#problem) log.warn({ error: problem }, 'worker.models_unknown')
      this.#problem = problem
    }
    return this.#models
  }

  async #ask(): Promise<readonly string[]> {
    const { url, apiKey } = this.#options
    const response = await fetch(endpointUrl(url, '/models'), {
      headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    })
    if (!response.ok) {
      await response.body?.cancel()
      throw new Error(`status ${response.status}`)
    }
    const { data } = v.parse(List, await response.json())
    return [...new Set(data.map(({ id }) => id))].slice(0, MAX_MODELS)
  }
}
