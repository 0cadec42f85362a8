import { hasEnded } from '../../../job.ts'
import { ResponseFold } from './response-fold.ts'
import { openState, responseObject } from './response-object.ts'
import type { JobView } from '../../../job.ts'
import type { ResponseFrame, ResponseObject } from './response-types.ts'

/**
 * A response that has not ended, or whose job streamed nothing. What a worker streamed is in no
 * view, so its items need `ResponseFold`.
 */
export function responseNow(frame: ResponseFrame, view: JobView): ResponseObject {
  if (!hasEnded(view)) {
    return responseObject(frame, openState(view.status === 'running' ? 'in_progress' : 'queued'))
  }
  const fold = new ResponseFold(frame)
  fold.step({ kind: 'done', id: 'done', view })
  return fold.response
}
