import { ENDED, HEAD } from './lua.ts'
import { asItIs, jobScript } from './script.ts'
import type { KindAsk } from './script.ts'

interface MayRunAsk extends KindAsk {
  /** '' when the message names none. */
  readonly run: string
  readonly isRedelivered: boolean
}

/** `run`, or why a worker that has the message must not run the job. */
export type MayRunReply = 'run' | 'stale' | 'cancelled' | 'answered'

/**
 * Whether a worker should run the job. If so, it writes that it has begun, where its kind does
 * that, and that the broker had the message.
 */
export const mayRun = jobScript<MayRunAsk, MayRunReply, MayRunReply>(
  `${HEAD}${ENDED}
if ask.run ~= '' and record and record.run ~= ask.run then return 'stale' end
if redis.call('EXISTS', cancelKey) == 1 then return 'cancelled' end
if (ask.run ~= '' or ask.isRedelivered) and ended() then return 'answered' end
for i = 2, #ARGV do
  local key = KEYS[firstResult + i - 2]
  -- What exists lives as long as the message, and no shorter.
  if ARGV[i] ~= '' and redis.call('EXISTS', key) == 1 then redis.call('SET', key, ARGV[i], 'KEEPTTL')
  elseif ARGV[i] ~= '' then redis.call('SET', key, ARGV[i], 'PX', ask.ttl) end
end
-- Its publisher may have died before it could say so, and no replica is to publish it once more.
-- Of a job without numbers that costs more than it saves: its client sends its request again in a moment, or never.
if record and record.numbered and record.run == ask.run and record.state == nil then
  record.state, record.clean = 'published', true
  redis.pcall('SET', recordKey, cjson.encode(record), 'KEEPTTL')
end
return 'run'
`,
  asItIs,
)
