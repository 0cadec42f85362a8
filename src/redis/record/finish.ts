import { FINISH, HEAD } from './lua.ts'
import { jobScript } from './script.ts'
import type { KindAsk } from './script.ts'

interface FinishAsk extends KindAsk {
  readonly run: string
  /** The kind of the outcome. */
  readonly outcome: string
  /** When it ended, if a client's answer says so, in ms since 1970. */
  readonly finished?: number
}

/** The outcome was read. Returns when the job had ended; null where its record has gone or is another run's. */
export const finish = jobScript<FinishAsk, number | null, number | null>(
  `${HEAD}${FINISH}
if not record then
  expireAll(ask.ttl)
  return false
end
if record.run ~= ask.run then return false end
if record.state ~= 'cancelled' then finish('done', ask.outcome) end
return record.finished
`,
  (finished) => finished,
)
