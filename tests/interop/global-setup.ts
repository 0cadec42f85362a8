import { readdirSync } from 'node:fs'
import { PYTHON_HINT, makeEnvironment, providePython } from './python.ts'
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
  const names = readdirSync(new URL('environments', import.meta.url)).map((file) =>
    file.replace(/\.txt$/, ''),
  )
  const python = await providePython(say)
  const environments: Record<string, Environment> = {}
  for (const name of names) {
    const environment: Environment =
      python === undefined
        ? { name, missing: PYTHON_HINT }
        : await makeEnvironment(name, python, say)
    environments[name] = environment
    if ('missing' in environment) {
      say(`not installed: ${name}\n${environment.missing}`)
      report({ kind: 'missing', name, why: environment.missing })
    } else if (environment.notes.length > 0) report({ kind: 'notes', notes: environment.notes })
  }
  project.provide('environments', environments)
}
