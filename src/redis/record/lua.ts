/**
 * What the scripts of a job share, each thing once. Every script is called with the
 * same KEYS (record, cancel, deltas, result keys, other keys), with `ask` as JSON in
 * ARGV[1], and with values that must not be parsed from ARGV[2] on.
 */

/**
 * `ask`, the keys by name, `now` in milliseconds by the clock of Redis (replicas need
 * not agree on the time), the `record` (nil where there is none) and `life`, the
 * milliseconds it has left.
 */
export const HEAD = `
local ask = cjson.decode(ARGV[1])
local recordKey, cancelKey, deltasKey = KEYS[1], KEYS[2], KEYS[3]
local firstResult, lastResult = 4, 3 + ask.results
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local record, life = nil, 0
local text = redis.call('GET', recordKey)
if text then
  record = cjson.decode(text)
  if record.v ~= 1 then return redis.error_reply('RECORD of a version that is not known here') end
  life = redis.call('PTTL', recordKey)
end
local function save()
  redis.call('SET', recordKey, cjson.encode(record), 'KEEPTTL')
end
-- No state is written with a new record: it is claimed.
local function isInFlight()
  return record.state == nil or record.state == 'published'
end
`

/**
 * `ended()`: whether a result key says that the job has ended, by the dialect's marks.
 * A value that is no string ends a job as well: no reader can read it.
 */
export const ENDED = `
local function ended()
  if ask.ends == 'any' then return redis.call('EXISTS', unpack(KEYS, firstResult, lastResult)) > 0 end
  for _, mark in ipairs(ask.ends) do
    local head = redis.pcall('GETRANGE', KEYS[firstResult + mark.position], 0, 255)
    if type(head) == 'table' then return true end
    if head ~= '' and string.find(head, mark.pattern) then return true end
  end
  return false
end
`

/** A plain record's reader finds the result within the second after which the job is marked as published. */
export const READ_WITHIN_MS = 2_000

/**
 * `readAfter()`: after how many milliseconds the result was read for this run; nil where
 * it was not. A reader that writes no mark gives the result the record's whole life, so
 * the two expire as far apart as claim and read were.
 *
 * `isSure(answered)`: whether what exists at the result key belongs to this run. Beside a
 * plain record it may be an earlier run's, which the publisher has not deleted yet.
 */
export const SURE = `
local function readAfter()
  local ms = redis.call('PTTL', KEYS[firstResult]) - life
  if ms >= 0 and ms <= ${READ_WITHIN_MS} then return ms end
end
local function isSure(answered)
  return not answered or record.clean or not isInFlight() or record.state == 'published' or readAfter() ~= nil
end
`

/**
 * `finish(state, outcome)`: the job has ended. From now on all its keys live as long as
 * an outcome can be fetched, or as long as the record anyway does where `ask.keepsLife`.
 * The end is the last entry of the deltas as well, so that every reader of the stream
 * stops at the same one.
 */
export const FINISH = `
-- The deltas come last, so that none goes a millisecond before the result.
local function expireAll(ttl)
  redis.call('PEXPIRE', recordKey, ttl)
  redis.call('PEXPIRE', cancelKey, ttl)
  for i = firstResult, lastResult do redis.call('PEXPIRE', KEYS[i], ttl) end
  redis.call('PEXPIRE', deltasKey, ttl)
end
local function finish(state, outcome)
  local isNew = isInFlight()
  if isNew then record.left = life end
  record.state, record.outcome = state, outcome
  record.finished = record.finished or ask.finished or math.max(now, record.created)
  local ttl = ask.keepsLife and life > 0 and life or record.keep
  -- Redis refuses these two when it is out of memory. The times to live are set all the same.
  if isNew then
    local add = record.numbered and {deltasKey} or {deltasKey, 'NOMKSTREAM'}
    for _, field in ipairs({'*', 'end', outcome, 'run', record.run}) do add[#add + 1] = field end
    local entry = redis.pcall('XADD', unpack(add))
    record.entry = type(entry) == 'string' and entry or nil
  end
  redis.pcall('SET', recordKey, cjson.encode(record), 'KEEPTTL')
  expireAll(ttl)
end
`

/** An asker counts for so long. A process that waits renews its own well within that. */
export const ASKER_LEASE_MS = 30_000

/** `askers()`: the askers by name, with when each one's time is over. */
export const ASKERS = `
local lease = now + ${ASKER_LEASE_MS}
local function askers()
  record.askers = record.askers or {[record.holder] = lease}
  return record.askers
end
`

/** `firstPiece(key)`: the beginning of a value, `ask.pieceBytes` long; false where there is none. */
export const FIRST_PIECE = `
local function firstPiece(key)
  local value = redis.call('GETRANGE', key, 0, ask.pieceBytes - 1)
  if value == '' and redis.call('EXISTS', key) == 0 then return false end
  return value
end
`

/** `writeResult(ttl)`: the values of an outcome, from ARGV[2] on; '' leaves its key as it is. */
export const WRITE_RESULT = `
local function writeResult(ttl)
  for i = firstResult, lastResult do
    local value = ARGV[i - firstResult + 2]
    if value ~= '' then redis.call('SET', KEYS[i], value, 'PX', ttl) end
  end
end
`
