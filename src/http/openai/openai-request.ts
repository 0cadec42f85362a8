import { withMembers } from '../../json-source.ts'
import { readJsonText } from '../body.ts'
import { OpenAiError, endpointLacking, invalidValue, modelUnknown } from './openai-errors.ts'
import { tierOf } from './service-tier.ts'
import type { Context } from 'hono'
import type { Endpoint as EndpointName, ModelRoute, Models } from '../../models.ts'
import type { BodyBudget, BodyShare } from '../body-budget.ts'
import type { HttpEnv } from '../context.ts'
import type { OpenAiOptions } from './openai-options.ts'
import type { Tier } from './service-tier.ts'

export const CHAT = '/v1/chat/completions'
export const COMPLETIONS = '/v1/completions'
export const EMBEDDINGS = '/v1/embeddings'
export const RESPONSES = '/v1/responses'
export type Endpoint = typeof CHAT | typeof COMPLETIONS | typeof EMBEDDINGS

/** What a client sent, as far as it is the same for all endpoints. */
export interface SentBody {
  /** The body as it was sent. Only this text goes to the engine. */
  readonly source: string
  /** The same, parsed, for what the gateway itself must know. */
  readonly fields: Readonly<Record<string, unknown>>
  /** As the client names it, or the only one where the client names none. */
  readonly model: string
  readonly route: ModelRoute
  /** The worker gets the body as it is. Else it gets messages, and answers with text. */
  readonly isVerbatim: boolean
  /** Undefined where the client asked for none. */
  readonly tier: Tier | undefined
}

/** What a client sent to one of the endpoints whose answers are the engine's own. */
export interface OpenAiRequest extends SentBody {
  readonly endpoint: Endpoint
  readonly isStream: boolean
  /** The client asked for the usage at the end of the stream. */
  readonly wantsUsage: boolean
}

/** What the gateway must know of a request until it is answered. Nothing here is large. */
export interface RequestFacts extends Omit<OpenAiRequest, 'source' | 'fields'> {
  /** Of embeddings. */
  readonly encodingFormat: 'base64' | 'float'
}

interface ReadOptions extends Pick<OpenAiOptions, 'models' | 'v1'> {
  readonly budget: BodyBudget
}

/** Reads the body. Checks only what the gateway itself needs: the engine validates the rest. */
export async function readRequest(
  c: Context<HttpEnv>,
  endpoint: Endpoint,
  options: ReadOptions,
): Promise<{ readonly request: OpenAiRequest; readonly share: BodyShare }> {
  const { sent, share } = await readBody(c, endpoint, options)
  try {
    return { request: requestOf(endpoint, sent), share }
  } catch (error) {
    share.release()
    throw error
  }
}

function requestOf(endpoint: Endpoint, sent: SentBody): OpenAiRequest {
  const { stream = null, stream_options: streamOptions = null } = sent.fields
  if (stream !== null && typeof stream !== 'boolean') {
    throw invalidValue('stream', 'stream must be true or false')
  }
  return {
    ...sent,
    endpoint,
    isStream: stream === true && endpoint !== EMBEDDINGS,
    wantsUsage: (streamOptions as { include_usage?: unknown } | null)?.include_usage === true,
  }
}

/** Reads what every endpoint needs: the body, and which model is to answer it by the endpoint. */
export async function readBody(
  c: Context<HttpEnv>,
  endpoint: Endpoint,
  { models, v1, budget }: ReadOptions,
): Promise<{ readonly sent: SentBody; readonly share: BodyShare }> {
  const { text: source, value, share } = await readJsonText(c, v1.maxBodyBytes, budget)
  try {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new OpenAiError(400, 'the body must be a JSON object', { code: 'invalid_value' })
    }
    const fields = value as Record<string, unknown>
    const { model, route } = modelOf(fields.model, endpoint, models)
    const isVerbatim = route.isVerbatim && v1.carriesBodies
    const tier = tierOf(fields.service_tier)
    return { sent: { source, fields, model, route, isVerbatim, tier }, share }
  } catch (error) {
    share.release()
    throw error
  }
}

/** As workers name them. */
const NAMES: Readonly<Record<Endpoint, EndpointName>> = {
  [CHAT]: 'chat',
  [COMPLETIONS]: 'completions',
  [EMBEDDINGS]: 'embeddings',
}

function modelOf(
  given: unknown,
  endpoint: Endpoint,
  models: Models,
): { model: string; route: ModelRoute } {
  const named = namedModel(given, endpoint, models)
  if (named.route.lacksEndpoint) throw endpointLacking(named.model, endpoint)
  return named
}

function namedModel(given: unknown, endpoint: Endpoint, models: Models) {
  if (typeof given === 'string' && given !== '') {
    const route = models.route(given, NAMES[endpoint])
    if (route === undefined) throw modelUnknown(given, models)
    return { model: given, route }
  }
  if (given !== undefined && given !== null && given !== '') {
    throw invalidValue('model', 'model must be a string')
  }
  const [only, ...others] = models.all()
  const route = only && models.route(only.id, NAMES[endpoint])
  if (only === undefined || route === undefined || others.length > 0) {
    throw invalidValue('model', 'name a model: GET /v1/models lists them')
  }
  return { model: only.id, route }
}

/**
 * The body for the engine: the client's, but for what the gateway owns. A stream is always
 * asked for its usage. The gateway drops it where the client did not want it.
 */
export function engineBody({ endpoint, source, route, isStream }: OpenAiRequest): string {
  const model = JSON.stringify(route.name)
  if (endpoint === EMBEDDINGS) {
    return withMembers(source, { model, stream: undefined, stream_options: undefined })
  }
  return withMembers(source, {
    model,
    stream: String(isStream),
    stream_options: isStream ? '{"include_usage":true}' : undefined,
  })
}
