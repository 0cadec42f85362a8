import { jobJson } from './job-json.ts'
import { problemOf } from './problem.ts'
import type { Context } from 'hono'
import type { JobEvent } from '../../job.ts'
import type { Log } from '../../telemetry/log.ts'
import type { HttpEnv } from '../context.ts'
import type { EventWriter } from '../sse.ts'

/**
 * Writes the events of a job as the native surfaces name them. `error` has no
 * id, so a client that reconnects resumes after the last event before it.
 */
export const jobEvents = (c: Context<HttpEnv>, log: Log): EventWriter => ({
  events: (batch) => batch.map(textOf).join(''),
  failure: (error) => eventText('error', problemOf(error, c, log)),
  ping: () => ': ping\n\n',
})

function textOf(event: JobEvent): string {
  switch (event.kind) {
    case 'status':
      return eventText('status', { status: event.status })
    case 'delta':
      // A piece of a tool call, for example, which these routes have no place for.
      return event.text === '' ? '' : eventText('delta', { text: event.text }, event.id)
    case 'restart':
      return eventText('restart', {}, event.id)
    case 'done':
      return eventText('done', jobJson(event.view), event.id)
  }
}

function eventText(name: string, data: object, id?: string): string {
  const idLine = id === undefined ? '' : `id: ${id}\n`
  return `event: ${name}\n${idLine}data: ${JSON.stringify(data)}\n\n`
}
