import { HEAD } from './lua.ts'
import { jobScript } from './script.ts'

interface ReleaseAsk {
  readonly run: string
  readonly holder: string
}

/**
 * The job was not accepted: the record goes, and with it what was written for the worker.
 * False when another replica took the job over meanwhile and may have published it.
 */
export const release = jobScript<ReleaseAsk, 0 | 1, boolean>(
  `${HEAD}
if record and (record.run ~= ask.run or record.holder ~= ask.holder) then return 0 end
redis.call('DEL', recordKey, unpack(KEYS, lastResult + 1))
return 1
`,
  (released) => released === 1,
)
