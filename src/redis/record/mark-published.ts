import { HEAD } from './lua.ts'
import { asItIs, jobScript } from './script.ts'

interface MarkPublishedAsk {
  readonly run: string
  /** A client was promised that the job runs on. */
  readonly isKept: boolean
}

/** The broker has the message: no other replica takes the job over any more. */
export const markPublished = jobScript<MarkPublishedAsk, null, null>(
  `${HEAD}
if record and record.run == ask.run and isInFlight() then
  record.state, record.clean = 'published', true
  if ask.isKept then record.kept = true end
  save()
end
`,
  asItIs,
)
