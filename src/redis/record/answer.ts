import { ENDED, FINISH, HEAD, WRITE_RESULT } from './lua.ts'
import { asItIs, jobScript } from './script.ts'
import type { KindAsk } from './script.ts'

interface AnswerAsk extends KindAsk {
  /** '' when the message names none: it is from a gateway without records. */
  readonly run: string
  /** The kind of the outcome. */
  readonly outcome: string
  /** Overwrites nothing, even where no run is named. */
  readonly isFirst: boolean
}

/** `stale`: another run has the id. `answered`: the run has its outcome. */
export type AnswerReply = 'written' | 'stale' | 'answered'

/**
 * Writes a worker's outcome. The first one of a run stays. A run whose record has gone may
 * still answer, unless it was cancelled: what was deleted stays deleted. A message that names no
 * run overwrites what exists, unless it must not.
 */
export const answer = jobScript<AnswerAsk, AnswerReply, AnswerReply>(
  `${HEAD}${ENDED}${FINISH}${WRITE_RESULT}
if ask.run ~= '' and record and record.run ~= ask.run then return 'stale' end
if (ask.run ~= '' or ask.isFirst) and ended() then return 'answered' end
if ask.run ~= '' and not record and redis.call('GET', cancelKey) == ask.run then return 'answered' end
if ask.run == '' or not record then
  writeResult(ask.ttl)
  return 'written'
end
if record.state == 'cancelled' then return 'answered' end
writeResult(record.keep)
record.clean = true
finish('done', ask.outcome)
return 'written'
`,
  asItIs,
)
