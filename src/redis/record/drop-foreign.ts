import { HEAD } from './lua.ts'
import { asItIs, jobScript } from './script.ts'

interface DropForeignAsk {
  /** The run that the result names. */
  readonly of: string
  /** The record's own run has not ended. */
  readonly isInFlight: boolean
}

/**
 * Removes a late result of another run, so that it cannot stand in for the true one, unless
 * it was replaced meanwhile (ARGV[2] is what was read). A script that marked the job as read
 * could not know whose result it was; that mark is undone.
 */
export const dropForeign = jobScript<DropForeignAsk, null, null>(
  `${HEAD}
if not record or record.run == ask.of or redis.call('GET', KEYS[firstResult]) ~= ARGV[2] then return end
redis.call('DEL', KEYS[firstResult])
if record.outcome == 'read' and ask.isInFlight then
  local left = math.max(1, record.left - (now - record.finished))
  if record.entry then redis.call('XDEL', deltasKey, record.entry) end
  -- A stream that has lost its only entry would look like one whose first entries are gone.
  if #redis.call('XRANGE', deltasKey, '-', '+', 'COUNT', 1) == 0 then redis.call('DEL', deltasKey) end
  record.state, record.outcome, record.finished = 'published', nil, nil
  record.left, record.entry = nil, nil
  save()
  redis.call('PEXPIRE', recordKey, left)
end
`,
  asItIs,
)
