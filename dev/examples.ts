import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './program.ts'

export interface Example {
  readonly path: string
  readonly body: string
}

/** The curl requests of README, so that what is shown there is what the demo sends. */
export function readmeExamples(): readonly Example[] {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const curl = /^curl [^\n]*localhost:6672(\/\w+)[^\n]*\\\n[^\n]*-d '([^']+)'/gm
  return [...readme.matchAll(curl)].map(([, path, body]) => ({
    path: path as string,
    body: body as string,
  }))
}
