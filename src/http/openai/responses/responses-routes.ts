import { Hono } from 'hono'
import { OWNER } from '../../../job.ts'
import { clientOf } from '../../context.ts'
import { sendEvents } from '../../sse.ts'
import { OpenAiError, openAiErrorOf } from '../openai-errors.ts'
import { RESPONSES } from '../openai-request.ts'
import { createResponse, untilEnded } from './create-response.ts'
import { listItems } from './input-items.ts'
import { ResponseWriter } from './response-writer.ts'
import {
  currentResponse,
  noLongerStreamed,
  responseOf,
  startingAfter,
  storedResponse,
} from './stored-response.ts'
import type { Context } from 'hono'
import type { HttpEnv } from '../../context.ts'
import type { BudgetedOptions, OpenAiOptions } from '../openai-options.ts'

/** The Responses API: work that goes on without its client, and can be read from any place on by any replica. */
export function responsesRoutes(options: BudgetedOptions): Hono<HttpEnv> {
  const { gateway, v1 } = options
  const routes = new Hono<HttpEnv>()
  routes.post(RESPONSES, (c) => createResponse(c, options))
  routes.get(`${RESPONSES}/:id`, async (c) => {
    const id = idOf(c)
    if (isAskedFor(c.req.query('stream'))) return followResponse(c, id, options)
    return c.json(await currentResponse(id, await storedResponse(id, options), options))
  })
  routes.delete(`${RESPONSES}/:id`, async (c) => {
    const id = idOf(c)
    await storedResponse(id, options)
    await gateway.remove({ id, owner: OWNER })
    await v1.background.leave(id)
    return c.json({ id, object: 'response', deleted: true })
  })
  routes.post(`${RESPONSES}/:id/cancel`, async (c) => {
    const id = idOf(c)
    const stored = await storedResponse(id, options)
    if (!stored.echo.background) throw notInBackground()
    const view = await gateway.cancel({ id, owner: OWNER })
    return c.json(await responseOf(id, { echo: stored.echo, view }, options))
  })
  routes.get(`${RESPONSES}/:id/input_items`, async (c) => {
    const { input } = await storedResponse(idOf(c), options)
    const [limit, order, after] = ['limit', 'order', 'after'].map((name) => c.req.query(name))
    return c.json(listItems(input, { limit, order, after }))
  })
  return routes
}

function idOf(c: Context<HttpEnv>): string {
  const id = c.req.param('id') ?? ''
  c.env.jobId = id
  return id
}

/** As the SDKs write it. */
const isAskedFor = (stream: string | undefined): boolean => stream === 'true' || stream === '1'

const notInBackground = (): OpenAiError =>
  new OpenAiError(400, 'only a background response can be cancelled', {
    param: 'response_id',
    code: 'invalid_value',
  })

async function followResponse(
  c: Context<HttpEnv>,
  id: string,
  { gateway, log, v1 }: OpenAiOptions,
): Promise<Response> {
  const after = startingAfter(c.req.query('starting_after'))
  const { echo } = await storedResponse(id, { gateway })
  const name = { id, owner: OWNER }
  if (await gateway.lacksDeltas(name)) throw noLongerStreamed()
  const events = gateway.follow(name, undefined, clientOf(c.env.outgoing))
  const batches = echo.background ? untilEnded(events, () => v1.background.leave(id)) : events
  const errorOf = (error: unknown) => openAiErrorOf(error, c, log).object
  return sendEvents(c, batches, new ResponseWriter({ id, echo, after, errorOf }))
}
