import { readdirSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { goClient } from './compiled.ts'
import { PYTHON_HINT, makeEnvironment, providePython } from './python.ts'
import type { Environment } from './python.ts'

/** pip works more than it waits: more at once would not be done earlier on two cores. */
const AT_ONCE = 2

/**
 * Installs every environment that has a file; one that is installed already is
 * kept. As a program, it does so ahead of `npm run test:interop`.
 */
export async function installAll(say: (line: string) => void): Promise<Environment[]> {
  const names = readdirSync(new URL('environments', import.meta.url))
    .map((file) => file.replace(/\.txt$/, ''))
    .toSorted()
  // Go's compiler works beside pip.
  const go = goClient()
  const python = await providePython(say)
  if (python === undefined) return names.map((name) => ({ name, missing: PYTHON_HINT }))
  const made: Environment[] = []
  const work = async (): Promise<void> => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      made.push(await makeEnvironment(name, python, say))
    }
  }
  await Promise.all([go, ...Array.from({ length: AT_ONCE }, work)])
  return made
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await installAll((line) => process.stderr.write(`${line}\n`))
}
