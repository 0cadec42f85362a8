import { ASKERS, HEAD } from './lua.ts'
import { asItIs, jobScript } from './script.ts'

interface RenewAsk {
  readonly run: string
  readonly asker: string
}

/** Clients still wait for the job in this process. Where the holder is the only asker, nothing has to be written. */
export const renew = jobScript<RenewAsk, null, null>(
  `${HEAD}${ASKERS}
if record and record.run == ask.run and isInFlight() and record.askers then
  askers()[ask.asker] = lease
  save()
end
`,
  asItIs,
)
