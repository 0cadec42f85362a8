import { ENDED, FINISH, FIRST_PIECE, HEAD, SURE } from './lua.ts'
import { jobScript } from './script.ts'
import type { KindAsk } from './script.ts'
import type { JobRecord } from './record.ts'

interface ViewAsk extends KindAsk {
  readonly pieceBytes: number
}

type Raw =
  | []
  | [
      record: string,
      life: number,
      sure: 0 | 1,
      inFlight: 0 | 1,
      streams: 0 | 1,
      ...pieces: (string | null)[],
    ]

export interface ViewReply {
  readonly record: JobRecord
  /** Milliseconds that the record had left. */
  readonly life: number
  /** What exists at the result keys belongs to this run. */
  readonly isSure: boolean
  /** No end was known of the run before this look. */
  readonly wasInFlight: boolean
  /** A worker has written deltas, so it has begun. */
  readonly hasDeltas: boolean
  readonly pieces: readonly (string | null)[]
}

/** Record and results of one moment, whichever run has the id. A job that has ended is marked as done. */
export const view = jobScript<ViewAsk, Raw, ViewReply | undefined>(
  `${HEAD}${ENDED}${SURE}${FINISH}${FIRST_PIECE}
if not record then return {} end
local pieces = {}
for i = firstResult, lastResult do pieces[#pieces + 1] = firstPiece(KEYS[i]) end
local answered = ended()
local sure, inFlight = isSure(answered), isInFlight()
local streams = 0
if inFlight and not answered then streams = redis.call('EXISTS', deltasKey) end
if inFlight and answered and sure then
  local after = readAfter()
  if after and not record.clean then record.finished = record.created + after end
  finish('done', 'read')
elseif inFlight and not answered and not record.clean and streams == 0 and redis.call('EXISTS', cancelKey) == 0 then
  record.clean = true
  save()
end
return {cjson.encode(record), life, sure and 1 or 0, inFlight and 1 or 0, streams, unpack(pieces)}
`,
  ([record, life, sure, inFlight, streams, ...pieces]) =>
    record === undefined
      ? undefined
      : {
          record: JSON.parse(record) as JobRecord,
          life: life as number,
          isSure: sure === 1,
          wasInFlight: inFlight === 1,
          hasDeltas: streams === 1,
          pieces,
        },
)
