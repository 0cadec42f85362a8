import { HEAD } from './lua.ts'
import { asItIs, jobScript } from './script.ts'

/**
 * A worker that stops in order gives the job back. The broker counts that like a crash, so the
 * record says how often it was no crash. 1 where the record says so now.
 */
export const giveBack = jobScript<{ readonly run: string }, 0 | 1, 0 | 1>(
  `${HEAD}
if not record or record.run ~= ask.run or not isInFlight() then return 0 end
record.returned = (record.returned or 0) + 1
save()
return 1
`,
  asItIs,
)

interface ReturnedAsk {
  readonly run: string
  /** The job has its deliveries again: from now on the count begins at 0. */
  readonly isForgotten: boolean
}

/** How long the job may still wait and run, in ms, where workers have given it back in order; 0 where none has. */
export const returned = jobScript<ReturnedAsk, number, number>(
  `${HEAD}
if not record or record.run ~= ask.run or not isInFlight() or not record.returned then return 0 end
if ask.isForgotten then
  record.returned = nil
  save()
end
return math.max(0, life - record.keep)
`,
  asItIs,
)
