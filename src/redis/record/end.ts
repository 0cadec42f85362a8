import { ASKERS, ENDED, FINISH, HEAD, SURE, WRITE_RESULT } from './lua.ts'
import { asItIs, jobScript } from './script.ts'
import type { KindAsk } from './script.ts'

interface EndAsk extends KindAsk {
  readonly run: string
  /** The process whose clients have all left. Absent: the job is cancelled although requests wait for it. */
  readonly asker?: string
  /** The caller knows that a result which exists is this run's. */
  readonly isSure?: boolean
  /** The job's life is over, and that is written down as its end. */
  readonly isOver?: boolean
}

/** `moved`: another run has the id. `asked`: others still wait for it, or a client was promised it. */
export type EndReply = 'moved' | 'ended' | 'asked' | 'cancelled' | 'expired'

/**
 * Cancels a job that has not ended, or says that its life is over: the record says so, the
 * cancel key names the run, and that outcome is the result, which wakes all who wait, on all
 * replicas.
 */
export const end = jobScript<EndAsk, EndReply, EndReply>(
  `${HEAD}${ENDED}${SURE}${FINISH}${WRITE_RESULT}${ASKERS}
if not record or record.run ~= ask.run then return 'moved' end
local function isAsked()
  for _, till in pairs(record.askers) do if till > now then return true end end
  return record.kept
end
if ask.asker then askers()[ask.asker] = nil end
local answered = ended()
if not isInFlight() or (life <= record.keep and not ask.asker and not ask.isOver) or (answered and (ask.isSure or isSure(answered))) then
  if ask.asker then save() end
  return 'ended'
end
if ask.asker and isAsked() then
  save()
  return 'asked'
end
record.clean = true
writeResult(record.keep)
finish(ask.isOver and 'done' or 'cancelled', ask.isOver and 'expired' or 'cancelled')
redis.call('SET', cancelKey, record.run, 'PX', record.keep)
return record.outcome
`,
  asItIs,
)
