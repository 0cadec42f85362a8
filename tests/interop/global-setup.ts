import { installAll } from './install.ts'
import { report } from './support/report.ts'
import type { TestProject } from 'vitest/node'
import type { Environment } from './python.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    environments: Record<string, Environment>
  }
}

/** Installs what the tests speak to, before any of them: an installation has no place in a test's time. */
export default async function setup(project: TestProject): Promise<void> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  const environments = await installAll(say)
  for (const environment of environments) {
    const { name } = environment
    if ('missing' in environment) {
      say(`not installed: ${name}\n${environment.missing}`)
      report({ kind: 'missing', name, why: environment.missing })
    } else if (environment.notes.length > 0) report({ kind: 'notes', notes: environment.notes })
  }
  project.provide('environments', Object.fromEntries(environments.map((each) => [each.name, each])))
}
