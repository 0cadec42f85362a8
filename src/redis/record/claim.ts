import { ASKERS, ENDED, HEAD, SURE } from './lua.ts'
import { FIRST_RESULT, jobScript } from './script.ts'
import type { RedisWrite } from '../../dialect.ts'
import type { JobKeys, JobRecord } from './record.ts'
import type { JobCall, KindAsk } from './script.ts'

export type Verdict = 'new' | 'takeover' | 'joined' | 'replay' | 'conflict'

export interface ClaimRequest {
  readonly keys: JobKeys
  /** Random: the run, if this becomes a new one. */
  readonly run: string
  readonly fingerprint: string
  readonly owner: string
  /** The pending job of this process that asks. Only this one may release what it claimed. */
  readonly asker: string
  /** How long the job may wait and run. */
  readonly jobTtlMs: number
  /** How long an outcome can be fetched. */
  readonly keepMs: number
  /** A record that is unpublished for longer is taken over. */
  readonly graceMs: number
  readonly isDerived: boolean
  /** As `numbered` in the record. */
  readonly isNumbered?: boolean
  /** What the worker expects to find. It lives as long as its message, or as long as the record at a result key. */
  readonly prepared: readonly RedisWrite[]
}

/** How an id was found, and which run answers it. */
export interface Claim {
  /**
   * `new`: publish the job. `takeover`: its publisher died before the publish, publish it
   * under the same run. `joined`: it is in flight. `replay`: it has succeeded, and its
   * result exists. `conflict`: another payload is in flight by this id.
   */
  readonly verdict: Verdict
  readonly run: string
  /** The record as this claim wrote it, where no other request has touched it since; '' where one has. */
  readonly text: string
  /** When the request for it was sent, on the monotonic clock in ms; 0 where `text` is ''. */
  readonly sentAt: number
  /** The record's whole life in ms. */
  readonly life: number
  readonly isPublished: boolean
  /** What is left of the job's life. */
  readonly remainingMs: number
  /** Since the id was claimed or taken over. */
  readonly ageMs: number
  /** A result exists; whether it ends the job, only the dialect knows. */
  readonly isAnswered: boolean
  /** That result belongs to this run. */
  readonly isSure: boolean
  /** The job had succeeded, and Redis has lost the result: a new run. */
  readonly isLost: boolean
  /** In ms since 1970. */
  readonly createdAt: number
  readonly finishedAt: number | null
}

interface ClaimAsk extends KindAsk {
  readonly run: string
  readonly fingerprint: string
  readonly owner: string
  readonly asker: string
  readonly created: number
  readonly life: number
  readonly keep: number
  readonly grace: number
  readonly isDerived: boolean
  readonly isNumbered: boolean
  /** The run under which we hold the record and have found leftovers; it is replaced. */
  readonly replaces?: string
  /** Writes that the worker expects: positions in KEYS, and how long each lives. Their values follow in ARGV. */
  readonly prepared: readonly { readonly key: number; readonly ttl: number }[]
}

type Raw = [
  verdict: Verdict,
  record: string,
  life: number,
  age: number,
  answered: 0 | 1,
  sure: 0 | 1,
  lost: 0 | 1,
]

/** What the script found, and the record as it is now. */
interface ClaimReply {
  readonly verdict: Verdict
  readonly record: JobRecord
  /** Milliseconds that the record has left. */
  readonly life: number
  readonly ageMs: number
  readonly isAnswered: boolean
  readonly isSure: boolean
  readonly isLost: boolean
}

/**
 * Claims an id where more has to be decided than that it is free: a record exists, or
 * something of an earlier run, or the worker expects to find something.
 *
 * The first write of a new run must be one that Redis refuses when it is out of
 * memory. After a DEL, Redis would let the rest of the script run, and the worker
 * could not write its answer.
 */
export const claim = jobScript<ClaimAsk, Raw, ClaimReply>(
  `${HEAD}${ENDED}${SURE}${ASKERS}
local answered, lost, age = ended(), 0, 0
local function found(verdict, sure)
  return {verdict, cjson.encode(record), life, age, answered and 1 or 0, sure and 1 or 0, lost}
end
local function deleteLeftovers()
  redis.call('DEL', deltasKey, unpack(KEYS, firstResult, lastResult))
end
-- A worker has streamed for this run, so the broker had its message.
local function isStreamed()
  -- A login of an earlier version may lack this right: then it is not known, and the job is published once more.
  local last = redis.pcall('XREVRANGE', deltasKey, '+', '-', 'COUNT', 1)[1]
  if not last or record.clean then return last ~= nil end
  for i = 1, #last[2], 2 do
    if last[2][i] == 'run' then return last[2][i + 1] == record.run end
  end
  return false
end

if record and record.run ~= ask.replaces then
  local same = record.fingerprint == ask.fingerprint and record.owner == ask.owner
  if ask.isDerived and not same then return found('conflict', true) end
  local sure = isSure(answered)
  -- After its deadline a job has expired, unless its outcome was only not read yet.
  if isInFlight() and (life > record.keep or (same and answered and sure)) then
    if not same then return found('conflict', sure) end
    age = record.since and now - record.since or record.life - life
    askers()[ask.asker] = lease
    local isStale = record.state == nil and age > ask.grace and not (answered and sure)
    if isStale and isStreamed() then record.state, record.clean = 'published', true
    elseif isStale then
      redis.call('DEL', cancelKey)
      if not record.clean then deleteLeftovers() end
      record.clean, record.since, record.holder = true, now, ask.asker
      age = 0
      save()
      return found('takeover', true)
    end
    if not answered and redis.call('EXISTS', cancelKey, deltasKey) == 0 then record.clean = true end
    save()
    return found('joined', sure)
  end
  if same and record.state == 'done' and (record.outcome == 'succeeded' or record.outcome == 'read') then
    if answered then return found('replay', true) end
    lost = 1
  end
end

answered = false
record = {
  v = 1, run = ask.run, fingerprint = ask.fingerprint, owner = ask.owner, holder = ask.asker,
  created = ask.created, life = ask.life, keep = ask.keep, clean = true,
}
if ask.isNumbered then record.numbered = true end
life = ask.life
redis.call('SET', recordKey, cjson.encode(record), 'PX', life)
redis.call('DEL', cancelKey)
deleteLeftovers()
for i, write in ipairs(ask.prepared) do
  redis.call('SET', KEYS[write.key], ARGV[i + 1], 'PX', write.ttl)
end
return found('new', true)
`,
  ([verdict, record, life, age, answered, sure, lost]) => ({
    verdict,
    record: JSON.parse(record) as JobRecord,
    life,
    ageMs: age,
    isAnswered: answered === 1,
    isSure: sure === 1,
    isLost: lost === 1,
  }),
)

export function claimOf({ verdict, record, life, ...found }: ClaimReply, text = ''): Claim {
  const { run, state, keep, created: createdAt, finished: finishedAt = null } = record
  const isPublished = state !== undefined
  const times = { remainingMs: life - keep, createdAt, finishedAt }
  return { verdict, run, text, sentAt: 0, life: record.life, isPublished, ...found, ...times }
}

/** What the script is called with. `replaces`: the run under which we hold the record and have found leftovers. */
export function claimCall(
  request: ClaimRequest,
  kind: KindAsk,
  replaces?: string,
): JobCall<ClaimAsk> {
  const {
    keys,
    run,
    fingerprint,
    owner,
    asker,
    isDerived,
    isNumbered = false,
    jobTtlMs,
    keepMs: keep,
    prepared,
  } = request
  const life = jobTtlMs + keep
  const others = prepared.map(({ key }) => key).filter((key) => !keys.results.includes(key))
  const all = [...keys.results, ...others]
  const writes = prepared.map(({ key }) => ({
    key: FIRST_RESULT + all.indexOf(key),
    // Only what may become the result lives longer than the message.
    ttl: keys.results.includes(key) ? life : jobTtlMs,
  }))
  const times = { created: Date.now(), life, keep, grace: request.graceMs }
  const ask = {
    ...kind,
    run,
    fingerprint,
    owner,
    asker,
    isDerived,
    isNumbered,
    ...times,
    prepared: writes,
  }
  return {
    keys,
    ask: replaces === undefined ? ask : { ...ask, replaces },
    values: prepared.map(({ value }) => value),
    others,
  }
}
