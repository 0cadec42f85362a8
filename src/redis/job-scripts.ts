import { ENDED, FIRST_PIECE, NOW, script } from './script.ts'

/** Of a job as a whole: how it stands, and its end by those who asked for it. The claim is described in `scripts.ts`. */

/** Its end, unless it has one. KEYS: claim, cancel, result keys. ARGV: run, …, ttl ms as the third, marks, values. */
const CANCEL_NOW = `
redis.call('HSET', KEYS[1], 'state', 'cancelled', 'finished', now)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
for i = 3, #KEYS do
  if ARGV[i + 2] ~= '' then redis.call('SET', KEYS[i], ARGV[i + 2], 'PX', ARGV[3]) end
end
return 'cancelled'
`

/**
 * An asker's client has left. If nobody else asks, the job is cancelled: a worker
 * that has not begun never will, and whoever looks at the result sees so.
 * KEYS: claim, cancel, result keys. ARGV: run, asker, ttl ms, marks, values.
 */
const LEAVE = `${NOW}${ENDED}
local claim = redis.call('HMGET', KEYS[1], 'run', 'state')
if claim[1] ~= ARGV[1] then return 'ended' end
redis.call('HDEL', KEYS[1], 'asker:' .. ARGV[2])
if claim[2] ~= 'claimed' and claim[2] ~= 'published' then return 'ended' end
if ended(3, #KEYS, ARGV[4]) then return 'ended' end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 6) == 'asker:' then return 'asked' end
end
${CANCEL_NOW}`

/**
 * Somebody wants it to end, whoever else asks for it. `moved`: another run has the id.
 * KEYS: claim, cancel, result keys. ARGV: run, '', ttl ms, marks, values.
 */
const CANCEL = `${NOW}${ENDED}
local claim = redis.call('HMGET', KEYS[1], 'run', 'state', 'deadline')
if claim[1] ~= ARGV[1] then return 'moved' end
if claim[2] ~= 'claimed' and claim[2] ~= 'published' then return 'ended' end
if now >= tonumber(claim[3]) or ended(3, #KEYS, ARGV[4]) then return 'ended' end
${CANCEL_NOW}`

/**
 * The claim and what stands at the result keys, of one moment. A job that has ended is marked as TAKE does it.
 * KEYS: claim, result keys. ARGV: bytes of a piece, marks, ttl ms.
 * Returns run, owner, state, outcome, created, finished, ms left of its life, and of each value its first piece.
 */
const LOOK_AT = `${NOW}${ENDED}${FIRST_PIECE}
local claim = redis.call('HMGET', KEYS[1], 'run', 'owner', 'state', 'outcome', 'created', 'finished', 'deadline')
if not claim[1] then return {} end
claim[7] = claim[7] - now
for i = 2, #KEYS do claim[6 + i] = firstPiece(KEYS[i], ARGV[1]) end
if (claim[3] == 'claimed' or claim[3] == 'published') and ended(2, #KEYS, ARGV[2]) then
  redis.pcall('HSET', KEYS[1], 'state', 'done', 'outcome', 'read', 'finished', now)
  for i = 1, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[3]) end
  claim[6] = now
end
return claim
`

export type LookReply =
  | []
  | [
      run: string,
      owner: string,
      state: 'claimed' | 'published' | 'done' | 'cancelled',
      outcome: string | null,
      createdAt: string | null,
      finishedAt: string | number | null,
      lifeMs: number,
      ...values: (string | null)[],
    ]

export const jobScripts = {
  leaveClaim: script<'ended' | 'asked' | 'cancelled'>(LEAVE),
  cancelJob: script<'moved' | 'ended' | 'cancelled'>(CANCEL),
  lookAtJob: script<LookReply>(LOOK_AT),
}
