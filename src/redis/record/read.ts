import { ENDED, FINISH, FIRST_PIECE, HEAD } from './lua.ts'
import { jobScript } from './script.ts'
import type { KindAsk } from './script.ts'
import type { JobRecord } from './record.ts'

interface ReadAsk extends KindAsk {
  /** The run that is waited for. */
  readonly run: string
  readonly pieceBytes: number
}

type Raw = [record: string | null, ...pieces: (string | null)[]]

export interface ReadReply {
  readonly record: JobRecord | undefined
  /** Of each value its beginning; null where there is none. */
  readonly pieces: readonly (string | null)[]
}

/** Record and results of one moment. A job that has ended by its dialect's marks is finished in the same step. */
export const read = jobScript<ReadAsk, Raw, ReadReply>(
  `${HEAD}${ENDED}${FINISH}${FIRST_PIECE}
local pieces = {}
for i = firstResult, lastResult do pieces[#pieces + 1] = firstPiece(KEYS[i]) end
local isOurs = not record or (record.run == ask.run and isInFlight())
if isOurs and ended() then
  if record then finish('done', 'read') else expireAll(ask.ttl) end
end
return {record and cjson.encode(record) or false, unpack(pieces)}
`,
  ([record, ...pieces]) => ({
    record: record === null ? undefined : (JSON.parse(record) as JobRecord),
    pieces,
  }),
)
