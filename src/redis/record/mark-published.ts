import { HEAD } from './lua.ts'
import { asItIs, jobScript } from './script.ts'

/** The broker has the message: no other replica takes the job over any more. */
export const markPublished = jobScript<{ readonly run: string }, null, null>(
  `${HEAD}
if record and record.run == ask.run and record.state == nil then
  record.state, record.clean = 'published', true
  save()
end
`,
  asItIs,
)
