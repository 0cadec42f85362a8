import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { EVENT_ID } from '../gateway/event-log.ts'
import { headerOf } from './body.ts'
import { InvalidRequest, problemOf } from './errors.ts'
import { jobJson } from './job-json.ts'
import { SSE_HEADERS, SseStream, sseEvent } from './sse.ts'
import type { Context } from 'hono'
import type { JobEvent } from '../job.ts'
import type { Log } from '../telemetry/log.ts'
import type { HttpEnv } from './context.ts'

/**
 * Sends what happens to a job as server-sent events until it has ended. What goes
 * wrong before the first is thrown and has a status of its own; later it is the
 * last event, `error`, without an id: whoever comes again resumes behind the last one.
 */
export async function sendEvents(
  c: Context<HttpEnv>,
  batches: AsyncGenerator<readonly JobEvent[]>,
  log: Log,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const { outgoing, jobId = '' } = c.env
  if (outgoing === undefined) throw new Error('events need a connection')
  const first = await batches.next()
  const all = { ...SSE_HEADERS, 'x-job-id': jobId, ...headers }
  if (c.req.method === 'HEAD') {
    await batches.return(undefined)
    return new Response(null, { headers: all })
  }
  outgoing.writeHead(200, all)
  const stream = new SseStream(outgoing)
  try {
    if (!first.done) await stream.send(textOf(first.value))
    for await (const batch of batches) await stream.send(textOf(batch))
  } catch (error) {
    await stream.send(sseEvent('error', problemOf(error, c, log)))
  } finally {
    stream.end()
  }
  return RESPONSE_ALREADY_SENT
}

/**
 * The last event that the client has, by the header before the query: an EventSource
 * resumes by that one, at the URL it began with. Empty is as good as absent.
 */
export function lastEventOf(c: Context<HttpEnv>): string | undefined {
  const given = [
    { loc: ['header', 'last-event-id'], input: headerOf(c, 'last-event-id') },
    { loc: ['query', 'after'], input: c.req.query('after') },
  ].filter(({ input }) => input)
  const wrong = given.filter(({ input = '' }) => !EVENT_ID.test(input))
  if (wrong.length === 0) return given[0]?.input
  const msg = 'Input should be the id of an event of this job'
  throw new InvalidRequest(wrong.map((one) => ({ type: 'value_error', msg, ...one })))
}

const textOf = (events: readonly JobEvent[]): string => events.map(eventText).join('')

function eventText(event: JobEvent): string {
  switch (event.kind) {
    case 'status':
      return sseEvent('status', { status: event.status })
    case 'delta':
      return sseEvent('delta', { text: event.text }, event.id)
    case 'restart':
      return sseEvent('restart', {}, event.id)
    case 'done':
      return sseEvent('done', jobJson(event.view), event.id)
  }
}
