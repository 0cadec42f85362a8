import { appendFileSync } from 'node:fs'

/** What `run.ts` prints in the end. */
export type ReportLine =
  | { readonly kind: 'missing'; readonly name: string; readonly why: string }
  | { readonly kind: 'notes'; readonly notes: readonly string[] }
  | {
      readonly kind: 'spoken'
      /** The real program with its version, what it ran on, and what stood in for what. */
      readonly program: string
      readonly runsOn: string
      readonly outcomes: Readonly<Record<string, number>>
      /** What was counted; jobs, if it is not said. */
      readonly unit?: string
    }

/** Adds a line to the report of this run, if there is one. */
export function report(line: ReportLine): void {
  const { INTEROP_REPORT } = process.env
  if (INTEROP_REPORT) appendFileSync(INTEROP_REPORT, `${JSON.stringify(line)}\n`)
}
