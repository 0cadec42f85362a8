import { lineJson } from '../sse.ts'
import { jobJson } from './job-json.ts'
import { problemOf } from './problem.ts'
import type { Context } from 'hono'
import type { JobEvent, JobView } from '../../job.ts'
import type { Log } from '../../telemetry/log.ts'
import type { HttpEnv } from '../context.ts'
import type { EventWriter } from '../sse.ts'

/**
 * Writes the events of a job as the native surfaces name them. `error` has no
 * id, so a client that reconnects resumes after the last event before it.
 */
export const jobEvents = (c: Context<HttpEnv>, log: Log): EventWriter => ({
  events: (batch) => batch.map(textOf).join(''),
  failure: (error) => eventText('error', lineJson(problemOf(error, c, log))),
  // One line and no empty line behind it: with that, some readers would take the comment for an event.
  ping: () => ': ping\n',
})

function textOf(event: JobEvent): string {
  switch (event.kind) {
    case 'status':
      return eventText('status', lineJson({ status: event.status }))
    case 'delta':
      // A piece of a tool call, for example, which these routes have no place for.
      return event.text === '' ? '' : eventText('delta', lineJson({ text: event.text }), event.id)
    case 'restart':
      return eventText('restart', '{}', event.id)
    case 'done':
      return eventText('done', endOf(event.view), event.id)
  }
}

function eventText(name: string, data: string, id?: string): string {
  const idLine = id === undefined ? '' : `id: ${id}\n`
  return `event: ${name}\n${idLine}data: ${data}\n\n`
}

/** Below the 64 KB that common line readers hold. */
const MAX_LINE_BYTES = 60_000
/** In a line that would be longer: the most characters of a failure's message, and of any other text. */
const MAX_MESSAGE = 8_192
const MAX_NAME = 256

/** The job as `done` has it. A content that is too long for one line is left out: the client has it from the deltas. */
function endOf(view: JobView): string {
  const job = jobJson(view)
  const line = lineJson(job)
  const { outcome } = job
  if (outcome === null || Buffer.byteLength(line) <= MAX_LINE_BYTES) return line
  if ('error' in outcome) {
    const { type, message } = outcome.error
    const error = { type: cut(type, MAX_NAME), message: cut(message, MAX_MESSAGE) }
    return lineJson({ ...job, outcome: { error } })
  }
  const { usage, finish_reason, model } = outcome
  const rest = {
    ...(usage && { usage }),
    ...(finish_reason !== undefined && { finish_reason: cut(finish_reason, MAX_NAME) }),
    ...(model !== undefined && { model: cut(model, MAX_NAME) }),
  }
  return lineJson({ ...job, outcome: rest })
}

/** Never half of a character. */
const cut = (text: string, length: number): string =>
  text.length <= length ? text : text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '')
