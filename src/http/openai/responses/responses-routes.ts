import { Hono } from 'hono'
import { OWNER } from '../../../job.ts'
import { booleanOf } from '../../boolean.ts'
import { clientOf } from '../../context.ts'
import { sendEvents } from '../../sse.ts'
import { OpenAiError, invalidValue, openAiErrorOf } from '../openai-errors.ts'
import { RESPONSES } from '../openai-request.ts'
import { createResponse, untilEnded } from './create-response.ts'
import { listItems } from './input-items.ts'
import { ResponseWriter } from './response-writer.ts'
import {
  currentResponse,
  inResponseWords,
  noLongerStreamed,
  responseOf,
  startingAfter,
  storedResponse,
  viewOf,
} from './stored-response.ts'
import type { Context } from 'hono'
import type { HttpEnv } from '../../context.ts'
import type { BudgetedOptions, OpenAiOptions } from '../openai-options.ts'
import type { Echo, StoredResponse } from './response-types.ts'

/** The Responses API: work that continues without its client. Any replica can read it, from any event on. */
export function responsesRoutes(options: BudgetedOptions): Hono<HttpEnv> {
  const { gateway, v1 } = options
  const routes = new Hono<HttpEnv>()
  routes.post(RESPONSES, (c) => createResponse(c, options))
  routes.get(`${RESPONSES}/:id`, async (c) => {
    const isStream = isAskedFor(c.req.query('stream'))
    const after = startingAfter(c.req.query('starting_after'))
    const { id, stored } = await storedOf(c, options)
    if (isStream) return followResponse(c, { id, after, echo: stored.echo }, options)
    return answer(c, await currentResponse(id, stored, options))
  })
  routes.delete(`${RESPONSES}/:id`, async (c) => {
    const { id } = await storedOf(c, options)
    await inResponseWords(id, gateway.remove({ id, owner: OWNER }))
    await v1.background.leave(id)
    return answer(c, { id, object: 'response', deleted: true })
  })
  routes.post(`${RESPONSES}/:id/cancel`, async (c) => {
    const { id, stored } = await storedOf(c, options)
    if (!stored.echo.background) throw notInBackground()
    const view = await inResponseWords(id, gateway.cancel({ id, owner: OWNER }))
    return answer(c, await responseOf(id, { echo: stored.echo, view }, options))
  })
  routes.get(`${RESPONSES}/:id/input_items`, async (c) => {
    const { id, stored } = await storedOf(c, options)
    // Its request is kept a little longer than the rest of it.
    await viewOf(id, options)
    const [limit, order, after] = ['limit', 'order', 'after'].map((name) => c.req.query(name))
    return answer(c, listItems(stored.input, { limit, order, after }))
  })
  return routes
}

interface Found {
  readonly id: string
  readonly stored: StoredResponse
}

/** The response that the path names. Only an id that exists is repeated in a header and in the log. */
async function storedOf(c: Context<HttpEnv>, options: OpenAiOptions): Promise<Found> {
  const id = c.req.param('id') ?? ''
  const stored = await storedResponse(id, options)
  c.env.jobId = id
  return { id, stored }
}

const answer = (c: Context<HttpEnv>, body: object): Response =>
  Response.json(body, { headers: { 'x-job-id': c.env.jobId ?? '' } })

/** The SDKs write `true`, and other Python clients `True`. */
function isAskedFor(stream: string | undefined): boolean {
  const isStream = stream === undefined ? false : booleanOf(stream)
  if (isStream === undefined) throw invalidValue('stream', 'stream must be true or false')
  return isStream
}

const notInBackground = (): OpenAiError =>
  new OpenAiError(400, 'only a background response can be cancelled', {
    param: 'response_id',
    code: 'invalid_value',
  })

async function followResponse(
  c: Context<HttpEnv>,
  { id, after, echo }: { readonly id: string; readonly after: number; readonly echo: Echo },
  { gateway, log, v1 }: OpenAiOptions,
): Promise<Response> {
  const name = { id, owner: OWNER }
  if (await gateway.lacksDeltas(name)) throw noLongerStreamed()
  const events = gateway.follow(name, undefined, clientOf(c.env.outgoing))
  const batches = echo.background ? untilEnded(events, () => v1.background.leave(id)) : events
  const errorOf = (error: unknown) => openAiErrorOf(error, c, log).object
  return sendEvents(c, batches, new ResponseWriter({ id, echo, after, errorOf, pingMs: v1.pingMs }))
}
