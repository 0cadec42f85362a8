import { ENDED, FIRST_PIECE, NOW, script } from './script.ts'
import { jobScripts } from './job-scripts.ts'

/**
 * Every transition of a claim is one script that compares the run and the state
 * first, so that of two replicas one wins and the other sees why.
 *
 * A claim is a hash: `run`, `fingerprint`, `owner`, `holder` (who is to publish
 * it: of two that publish the same run, only the last may release it), `state`
 * (claimed, published, done, cancelled), `outcome` (once done), `created`, `since`
 * (claimed or taken over), `finished` and `deadline` (milliseconds by the clock of
 * Redis), and `asker:<token>` for everybody who wants the outcome: a replica's
 * request that waits, or one that was told to come back for it.
 *
 * KEYS[1] is the claim, where a script is about one job.
 */

/**
 * KEYS: claim, index of the sweep, cancel, deltas, result keys, other keys that the worker expects. ARGV: fingerprint, owner, token
 * (the run of a new claim, and the holder), job ttl ms, how long a claim is kept after
 * that ms, grace of an unpublished claim ms, asker, entry for the index, ttl of the index ms,
 * 'made' where nobody else can have the id, 'derived' where it stands for one payload alone, marks, number of
 * result keys, and for each of these and of the others what the worker expects there ('': nothing).
 * Returns verdict, run, state, whether a result stands (1 or 0), ms left, ms since it was claimed,
 * whether a result that had been read is gone (1 or 0), when it was first claimed.
 *
 * The first write is one that a Redis out of memory refuses: after a DEL, it would
 * take all others of the script, and the job could never be answered.
 * Nobody has read a result until the state says done: one that came after the
 * deadline is still the outcome for those who ask for the same.
 */
const ENTER = `${NOW}${ENDED}
local claim = redis.call('HMGET', KEYS[1], 'run', 'fingerprint', 'owner', 'state', 'outcome', 'since', 'deadline', 'created')
local run, state, outcome, since, deadline = claim[1], claim[4], claim[5], claim[6], claim[7]
local lastResult = 4 + ARGV[12]
local answered = ended(5, lastResult, ARGV[11]) and 1 or 0
local function existing(verdict)
  return {verdict, run, state, answered, deadline - now, now - since, 0, tonumber(claim[8]) or 0}
end
local function ask() redis.call('HSET', KEYS[1], 'asker:' .. ARGV[7], 1) end
-- Before the publish, so that a replica may die at any moment: whoever is to publish stands in the index.
local function track()
  redis.call('ZADD', KEYS[2], now + ARGV[4], ARGV[8])
  redis.call('PEXPIRE', KEYS[2], ARGV[9])
end
local lost = 0

if run then
  local same = claim[2] == ARGV[1] and claim[3] == ARGV[2]
  if ARGV[10] == 'derived' and not same then return existing('conflict') end
  local unread = state == 'claimed' or state == 'published'
  if unread and (now < tonumber(deadline) or (same and answered > 0)) then
    if not same then return existing('conflict') end
    if state == 'claimed' and answered == 0 and now - since > tonumber(ARGV[6]) then
      redis.call('HSET', KEYS[1], 'since', now, 'holder', ARGV[3])
      ask()
      track()
      return existing('takeover')
    end
    ask()
    return existing('joined')
  end
  if same and state == 'done' and (outcome == 'succeeded' or outcome == 'read') then
    if answered > 0 then return existing('replay') end
    lost = 1
  end
end

track()
-- The worker may have been faster: its message was sent together with this.
if ARGV[10] ~= 'made' then redis.call('DEL', KEYS[1], unpack(KEYS, 3, lastResult)) end
for i = 13, #ARGV do
  -- Only what may become the result is kept for longer than the message.
  local ttl = i - 8 <= lastResult and ARGV[4] + ARGV[5] or ARGV[4]
  if ARGV[i] ~= '' then redis.call('SET', KEYS[i - 8], ARGV[i], 'PX', ttl) end
end
redis.call('HSET', KEYS[1], 'run', ARGV[3], 'fingerprint', ARGV[1], 'owner', ARGV[2], 'holder', ARGV[3],
  'state', 'claimed', 'created', now, 'since', now, 'deadline', now + ARGV[4])
ask()
redis.call('PEXPIRE', KEYS[1], ARGV[4] + ARGV[5])
return {'new', ARGV[3], 'claimed', 0, tonumber(ARGV[4]), 0, lost, now}
`

/** The broker has the message. ARGV: run. */
const PUBLISHED = `
local claim = redis.call('HMGET', KEYS[1], 'run', 'state')
if claim[1] == ARGV[1] and claim[2] == 'claimed' then redis.call('HSET', KEYS[1], 'state', 'published') end
`

/**
 * The job was not accepted: as if nobody had asked. KEYS: claim, index, what the worker was to find. ARGV: the
 * holder's token, entry of the index. Returns 0 when another holds it meanwhile, who may have published it.
 */
const RELEASE = `
redis.call('ZREM', KEYS[2], ARGV[2])
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and holder ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], unpack(KEYS, 3))
return 1
`

/**
 * The outcome was read. KEYS: claim, index, result keys. ARGV: run, kind of outcome, ttl ms, entry of the index or ''.
 * The results of a claim that has gone get their time to live as well.
 */
const FINISH = `${NOW}
local claim = redis.call('HMGET', KEYS[1], 'run', 'state', 'finished')
if claim[1] and claim[1] ~= ARGV[1] then return end
if claim[1] and claim[2] ~= 'cancelled' then
  -- Refused where memory has run out; the times to live are set all the same.
  redis.pcall('HSET', KEYS[1], 'state', 'done', 'outcome', ARGV[2], 'finished', claim[3] or now)
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
for i = 3, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[3]) end
if ARGV[4] ~= '' then redis.call('ZREM', KEYS[2], ARGV[4]) end
`

/**
 * What is due in the index, and when the next entry will be. KEYS: index. ARGV: how many.
 * Returns entries that are due, ms until the next one ('' when there is none).
 */
const DUE = `${NOW}
local due = {}
local first = redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1, 'WITHSCORES')
for i = 1, #first, 2 do
  if tonumber(first[i + 1]) > now then return {due, first[i + 1] - now} end
  due[#due + 1] = first[i]
end
return {due, ''}
`

/** An entry is to be looked at later, by another name. KEYS: index. ARGV: entry, its new name, in how many ms, ttl ms. */
const PUT_OFF = `${NOW}
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
`

/**
 * KEYS: claim, deltas, result keys. ARGV: ttl ms, marks.
 * Returns how many keys were given their time to live, what is left of the job's life in ms, and whether it has ended (1 or 0).
 */
const SWEEP = `${NOW}${ENDED}
local swept = 0
for i = 1, #KEYS do
  if redis.call('PTTL', KEYS[i]) == -1 then
    redis.call('PEXPIRE', KEYS[i], ARGV[1])
    swept = swept + 1
  end
end
local claim = redis.call('HMGET', KEYS[1], 'state', 'deadline')
local left = 0
if claim[1] == 'claimed' or claim[1] == 'published' then left = math.max(0, claim[2] - now) end
return {swept, left, ended(3, #KEYS, ARGV[2]) and 1 or 0}
`

/**
 * What stands at the result keys, and the claim's run. A job that has ended by these marks is
 * finished in the same step, as FINISH does it, as what it is nobody knows yet ('read').
 * KEYS: claim, index, result keys. ARGV: run, ttl ms, bytes of a piece, marks ('': a look and no more), entry of the index or ''.
 * Returns the claim's run and state, 1 if it is finished, and of each value its first piece (false where nothing stands).
 */
const TAKE = `${NOW}${ENDED}${FIRST_PIECE}
local claim = redis.call('HMGET', KEYS[1], 'run', 'state')
local reply = {claim[1], claim[2], claim[2] == 'done' and 1 or 0}
local stands = false
for i = 3, #KEYS do
  local value = firstPiece(KEYS[i], ARGV[3])
  stands = stands or value
  reply[i + 1] = value
end
-- Once it is done its life has begun: being read again does not make it longer.
local isNew = not claim[1] or (claim[1] == ARGV[1] and claim[2] ~= 'done' and claim[2] ~= 'cancelled')
if stands and isNew and ARGV[4] ~= '' and (ARGV[4] == 'any' or ended(3, #KEYS, ARGV[4])) then
  -- Refused where memory has run out; the result is there all the same.
  if claim[1] then redis.pcall('HSET', KEYS[1], 'state', 'done', 'outcome', 'read', 'finished', now) end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  for i = 3, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
  if ARGV[5] ~= '' then redis.call('ZREM', KEYS[2], ARGV[5]) end
  reply[3] = 1
end
return reply
`

/**
 * Removes a result of another run than the claim's, unless it has been replaced meanwhile.
 * KEYS: claim, result. ARGV: the run the result names, the result, '1' if the claim's run is still under way.
 */
const DROP_FOREIGN = `
local claim = redis.call('HMGET', KEYS[1], 'run', 'outcome')
if not claim[1] or claim[1] == ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then return end
redis.call('DEL', KEYS[2])
-- Whoever took it could not know whose it was.
if claim[2] == 'read' and ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], 'state', 'published')
  redis.call('HDEL', KEYS[1], 'outcome', 'finished')
end
`

/**
 * Whether a worker that has taken the message should run the job. If so, it says that it has begun.
 * KEYS: claim, cancel, result keys. ARGV: run ('' when the message names none), '1' when redelivered, marks, ttl ms, values.
 */
const LOOK = `${ENDED}
local run = redis.call('HGET', KEYS[1], 'run')
if ARGV[1] ~= '' and run and run ~= ARGV[1] then return 'stale' end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'cancelled' end
if (ARGV[1] ~= '' or ARGV[2] == '1') and ended(3, #KEYS, ARGV[3]) then return 'answered' end
for i = 5, #ARGV do
  -- What stands there lives as long as the message: no shorter.
  local stands = redis.call('EXISTS', KEYS[i - 2]) == 1
  if ARGV[i] ~= '' and stands then redis.call('SET', KEYS[i - 2], ARGV[i], 'KEEPTTL') end
  if ARGV[i] ~= '' and not stands then redis.call('SET', KEYS[i - 2], ARGV[i], 'PX', ARGV[4]) end
end
return 'run'
`

/**
 * A worker's result: the first one of a run stands. A run whose claim has gone
 * may still answer; a message that names no run is from a gateway without claims,
 * and overwrites what stands there, unless it is told not to.
 * KEYS: claim, result keys. ARGV: run, ttl ms, '1' to overwrite nothing, marks, values.
 */
const ANSWER = `${ENDED}
local run = redis.call('HGET', KEYS[1], 'run')
if ARGV[1] ~= '' and run and run ~= ARGV[1] then return 'stale' end
if (ARGV[1] ~= '' or ARGV[3] == '1') and ended(2, #KEYS, ARGV[4]) then return 'answered' end
for i = 2, #KEYS do
  if ARGV[i + 3] ~= '' then redis.call('SET', KEYS[i], ARGV[i + 3], 'PX', ARGV[2]) end
end
return 'written'
`

export type EnterReply = [
  verdict: 'new' | 'takeover' | 'joined' | 'replay' | 'conflict',
  run: string,
  state: 'claimed' | 'published' | 'done' | 'cancelled',
  answered: number,
  remainingMs: number,
  ageMs: number,
  isLost: number,
  createdAt: number,
]

export type TakeReply = [
  run: string | null,
  state: string | null,
  isFinished: number,
  ...values: (string | null)[],
]
export type DueReply = [due: string[], nextInMs: number | '']
export type SweepReply = [swept: number, lifeMs: number, hasEnded: number]

export const scripts = {
  ...jobScripts,
  enterClaim: script<EnterReply>(ENTER),
  markPublished: script<null>(PUBLISHED),
  releaseClaim: script<number>(RELEASE),
  finishClaim: script<null>(FINISH),
  dueJobs: script<DueReply>(DUE),
  putOff: script<null>(PUT_OFF),
  takeResult: script<TakeReply>(TAKE),
  sweepJob: script<SweepReply>(SWEEP),
  dropForeign: script<null>(DROP_FOREIGN),
  lookBeforeRun: script<'run' | 'stale' | 'cancelled' | 'answered'>(LOOK),
  writeAnswer: script<'written' | 'stale' | 'answered'>(ANSWER),
}
