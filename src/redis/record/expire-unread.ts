import { ENDED, FINISH, HEAD, SURE } from './lua.ts'
import { asItIs, jobScript } from './script.ts'
import type { KindAsk } from './script.ts'

interface ExpireUnreadAsk extends KindAsk {
  /** How long results without a record live from now on, in ms; 0 leaves them as they are. */
  readonly orphanTtl: number
  /** How old a record is whose publisher has surely looked beside it, in ms. */
  readonly grace: number
}

/**
 * Gives a time to live to what has none: results that no request read, of a gateway that
 * died, of a request whose time was over, of a worker that came late. Returns how many keys
 * it changed. The results of a job that is still in flight stay as they are.
 */
export const expireUnread = jobScript<ExpireUnreadAsk, number, number>(
  `${HEAD}${ENDED}${SURE}${FINISH}
local bare = {}
local function addBare(key)
  if redis.call('PTTL', key) == -1 then bare[#bare + 1] = key end
end
-- The deltas come last, as in expireAll.
for i = firstResult, lastResult do addBare(KEYS[i]) end
addBare(deltasKey)
local function expire(ttl)
  for _, key in ipairs(bare) do redis.call('PEXPIRE', key, math.max(ttl, 1)) end
  return #bare
end
if not record then
  if ask.orphanTtl > 0 then return expire(ask.orphanTtl) end
  return 0
end
if not isInFlight() then return expire(life) end
if life > record.keep and (record.state or record.life - life <= ask.grace) then return 0 end
if not ended() then return expire(life) end
if isSure(true) then
  finish('done', 'read')
  return #bare
end
-- It may be an earlier run's. Gone before the record, it is never taken for one that was read.
return expire(math.min(record.keep, life - 1))
`,
  asItIs,
)
