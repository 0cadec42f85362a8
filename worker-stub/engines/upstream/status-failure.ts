import { errorIn, textOf } from './error-text.ts'
import { UpstreamFailure } from './failure.ts'
import { SseReader } from './sse.ts'
import type { Reply } from './post.ts'

/** More of an error's body is not read, and no longer than this: its beginning says what it is. */
const MAX_BYTES = 64 * 1024
const READ_WITHIN_MS = 2_000

/** The failure that a status from 400 on means, with what the server says about it. */
export async function statusFailure(reply: Reply): Promise<UpstreamFailure> {
  const { status } = reply
  const text = await beginningOf(reply)
  const body = bodyOf(text)
  // Such a text is about the worker's own key, and may quote it.
  if (status === 401 || status === 403 || status === 407) {
    const refused = `the upstream refuses the login of the worker (status ${status})`
    return new UpstreamFailure(`upstream_${status}`, refused, { status })
  }
  const message =
    typeof body === 'string' ? textOf(body.trim() || undefined) : (errorIn(body, true) ?? '')
  return new UpstreamFailure(`upstream_${status}`, message, { status, body })
}

/** Whatever breaks it off: the status alone is an answer. */
async function beginningOf({ body, close }: Reply): Promise<string> {
  const pieces: Buffer[] = []
  let length = 0
  const timer = setTimeout(close, READ_WITHIN_MS)
  try {
    for await (const piece of body) {
      pieces.push(piece as Buffer)
      length += (piece as Buffer).length
      if (length >= MAX_BYTES) break
    }
  } catch {
    // What came before is what there is.
  } finally {
    clearTimeout(timer)
    close()
  }
  return new TextDecoder().decode(Buffer.concat(pieces).subarray(0, MAX_BYTES))
}

/** The JSON in it, also where it is in an event; else the text. */
function bodyOf(text: string): unknown {
  const found: unknown[] = []
  const onEvent = (_: string, data: string): void => {
    if (data.trim() !== '' && data.trim() !== '[DONE]') found.push(jsonOr(data))
  }
  const reader = new SseReader({ onEvent, onJson: (json) => found.push(json) })
  reader.feed(text)
  reader.end()
  return found[0] ?? jsonOr(text)
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
