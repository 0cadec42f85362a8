import { OWNER, hasEnded, isResponse } from '../../../job.ts'
import { GatewayError } from '../../../errors.ts'
import { OpenAiError, invalidValue } from '../openai-errors.ts'
import { JOB_ID } from '../../job-id.ts'
import { ResponseFold } from './response-fold.ts'
import { responseNow } from './response-now.ts'
import { secondsOf } from './response-writer.ts'
import type { JobEvent, JobView } from '../../../job.ts'
import type { BodyShare } from '../../body-budget.ts'
import type { OpenAiOptions } from '../openai-options.ts'
import type { Item, ResponseFrame, ResponseObject, StoredResponse } from './response-types.ts'

type Options = Pick<OpenAiOptions, 'gateway' | 'v1'>
type StatusEvent = Extract<JobEvent, { readonly kind: 'status' }>

/** Of an id that a client wrote, so much is repeated in an error. An id has at most 128 characters. */
const shown = (id: string): string => id.slice(0, 128)

const noResponse = (id: string): OpenAiError =>
  new OpenAiError(404, `there is no response with the id '${shown(id)}'`, {
    param: 'response_id',
    code: 'response_not_found',
  })

/** The events of a response are its deltas, and the first of them are gone: other numbers would be wrong. */
export const noLongerStreamed = (): OpenAiError =>
  new OpenAiError(400, 'this response can no longer be streamed: its first events are gone', {
    param: 'stream',
    code: 'response_not_streamable',
  })

/**
 * Rejects with a 404 where there is no such response, or none that is stored. `share`: of the
 * budget for bodies, where the stored items become part of one.
 */
export async function storedResponse(
  id: string,
  { gateway }: Pick<Options, 'gateway'>,
  share?: BodyShare,
): Promise<StoredResponse> {
  if (!JOB_ID.test(id) || !isResponse({ id })) throw noResponse(id)
  const kept = await gateway.kept({ id, owner: OWNER })
  if (kept === undefined) throw noResponse(id)
  share?.add(Buffer.byteLength(kept))
  return JSON.parse(kept) as StoredResponse
}

/** The object of a response as it is now. */
export async function currentResponse(
  id: string,
  { echo }: StoredResponse,
  options: Options,
): Promise<ResponseObject> {
  const view = await viewOf(id, options)
  return inResponseWords(id, responseOf(id, { echo, view }, options))
}

/** The object of a response whose job was seen. One that has ended has the items of its events, with their ids. */
export async function responseOf(
  id: string,
  { echo, view }: Pick<StoredResponse, 'echo'> & { readonly view: JobView },
  { gateway, v1 }: Options,
): Promise<ResponseObject> {
  const name = { id, owner: OWNER }
  const frame = { id, createdAt: secondsOf(view.createdAt), echo }
  if (!hasEnded(view)) return responseNow(frame, view)
  if (echo.background) await v1.background.leave(id)
  if (await gateway.lacksDeltas(name)) return responseNow(frame, view)
  const fold = new ResponseFold(frame)
  fold.begin()
  for await (const batch of gateway.follow(name, undefined)) {
    for (const event of batch) {
      // Another run of the job has begun meanwhile, and it may take long.
      if (event.kind === 'status' && !hasEnded(event)) return begunAgain(frame, view, event)
      fold.step(event)
    }
  }
  return fold.response
}

const begunAgain = (
  frame: ResponseFrame,
  view: JobView,
  { status, createdAt = view.createdAt }: StatusEvent,
): ResponseObject =>
  responseNow(
    { ...frame, createdAt: secondsOf(createdAt) },
    { ...view, status, createdAt, finishedAt: null, outcome: null },
  )

/** The job of a response. Rejects with a 404 where it is gone. */
export const viewOf = (id: string, { gateway }: Pick<Options, 'gateway'>): Promise<JobView> =>
  inResponseWords(id, gateway.view({ id, owner: OWNER }))

/** A response whose job was removed in this moment does not exist either. */
export async function inResponseWords<T>(id: string, result: Promise<T>): Promise<T> {
  try {
    return await result
  } catch (error) {
    const isGone = error instanceof GatewayError && error.code === 'not_found'
    throw isGone ? noResponse(id) : error
  }
}

/**
 * The items of the conversation up to the end of a response, which the next one continues. They
 * become part of its body, so they count in its share of the budget.
 */
export async function itemsUpTo(
  id: string | undefined,
  options: Options,
  share: BodyShare,
): Promise<readonly Item[]> {
  if (id === undefined) return []
  const refuse = (message: string, code: string): OpenAiError =>
    new OpenAiError(400, message, { param: 'previous_response_id', code })
  const notThere = (error: unknown): never => {
    if (!(error instanceof OpenAiError)) throw error
    throw refuse(
      `the response '${shown(id)}' does not exist, or its time is over`,
      'previous_response_not_found',
    )
  }
  const stored = await storedResponse(id, options, share).catch(notThere)
  const { status, output } = await currentResponse(id, stored, options).catch(notThere)
  if (status === 'completed' || status === 'incomplete') return [...stored.input, ...output]
  throw refuse(`the response '${id}' is ${status}, so it cannot be continued`, 'invalid_value')
}

/** The last event that the client has, by the address; -1 where it has none. */
export function startingAfter(given: string | undefined): number {
  if (given === undefined) return -1
  if (/^\d{1,9}$/.test(given)) return Number(given)
  throw invalidValue('starting_after', 'starting_after must be the number of an event')
}
