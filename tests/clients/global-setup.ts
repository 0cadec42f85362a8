import { report } from '../interop/support/report.ts'
import { installAll } from './install.ts'
import type { TestProject } from 'vitest/node'
import type { Installed } from './install.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    clients: Record<string, Installed>
  }
}

/** Installs the clients before any test: an installation has no place in a test's time. */
export default async function setup(project: TestProject): Promise<void> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  const all = await installAll(say)
  for (const installed of all) {
    if (!('missing' in installed)) continue
    say(`not installed: ${installed.name}\n${installed.missing}`)
    report({ kind: 'missing', name: installed.name, why: installed.missing })
  }
  project.provide('clients', Object.fromEntries(all.map((one) => [one.name, one])))
}
