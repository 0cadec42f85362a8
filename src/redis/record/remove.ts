import { HEAD } from './lua.ts'
import { jobScript } from './script.ts'

interface RemoveAsk {
  readonly run: string
}

/** Removes all that is stored of a run, but for the word to its worker. False where another run has the id by now. */
export const remove = jobScript<RemoveAsk, 0 | 1, boolean>(
  `${HEAD}
if record and record.run ~= ask.run then return 0 end
redis.call('DEL', recordKey, deltasKey, unpack(KEYS, firstResult))
return 1
`,
  (removed) => removed === 1,
)
