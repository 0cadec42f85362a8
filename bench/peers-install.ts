import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '../dev/program.ts'
import { PYTHON_HINT, makeEnvironment, providePython } from '../tests/interop/python.ts'

const run = promisify(execFile)
const NPM_WITHIN_MS = 300_000

/** Where a peer's program is, or why it could not be installed. */
export type Installed = { readonly program: string } | { readonly missing: string }

type Say = (line: string) => void

/** LiteLLM in the virtual environment that the interop tests have as well. */
export async function installLiteLlm(say: Say): Promise<Installed> {
  const python = await providePython(say)
  if (python === undefined) return { missing: PYTHON_HINT }
  const made = await makeEnvironment('litellm-1', python, say)
  return 'missing' in made ? made : { program: join(dirname(made.python), 'litellm') }
}

const PORTKEY = '@portkey-ai/gateway'
const PORTKEY_VERSION = '1.15.2'

/** Portkey's gateway in a directory of its own, so that it is no dependency of the project. */
export async function installPortkey(say: Say): Promise<Installed> {
  const directory = join(ROOT, `.cache/bench-peers/portkey-${PORTKEY_VERSION}`)
  const program = join(directory, 'node_modules', PORTKEY, 'build/start-server.js')
  // Written last: without it, the installation was interrupted.
  const complete = join(directory, 'complete')
  if (existsSync(complete)) return { program }
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  // Without a package.json of its own, npm would install into the project.
  writeFileSync(join(directory, 'package.json'), '{"private":true}\n')
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund']
  try {
    say(`installing ${PORTKEY}`)
    const what = ['install', `${PORTKEY}@${PORTKEY_VERSION}`, ...flags]
    await run('npm', what, { cwd: directory, timeout: NPM_WITHIN_MS })
    writeFileSync(complete, '')
    return { program }
  } catch (error) {
    rmSync(directory, { recursive: true, force: true })
    return { missing: String((error as { stderr?: string }).stderr ?? error).slice(-300) }
  }
}
