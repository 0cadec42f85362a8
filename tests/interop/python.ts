import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '../../dev/program.ts'
import { aptInstall, rootCommand } from '../../dev/services/install.ts'

const run = promisify(execFile)

/** A Python that can make virtual environments. */
export interface Python {
  readonly program: string
  readonly version: string
}

/** A virtual environment with the packages of one file, or why there is none. */
export type Environment =
  | { readonly name: string; readonly python: string; readonly notes: readonly string[] }
  | { readonly name: string; readonly missing: string }

const CANDIDATES = ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10']
const MAKE_WITHIN_MS = 300_000
/** What pip says when the package itself, and nothing it needs, forbids this Python. */
const OTHER_PYTHON = 'require a different python version'

/** The first Python from 3.10 on; `PYTHON` names another one. Undefined where none is usable. */
export async function findPython(): Promise<Python | undefined> {
  const { PYTHON } = process.env
  for (const program of PYTHON ? [PYTHON] : CANDIDATES) {
    const version = await versionOf(program)
    if (version !== undefined) return { program, version }
  }
  return undefined
}

/** As `findPython`; where apt-get works without a person, it is asked for what is missing. */
export async function providePython(say: (line: string) => void): Promise<Python | undefined> {
  const found = await findPython()
  if (found !== undefined || process.env.PYTHON) return found
  const root = process.env.SERVICES_INSTALL === 'never' ? undefined : await rootCommand()
  if (root === undefined) return undefined
  say('installing python3-venv with apt-get (SERVICES_INSTALL=never forbids it)')
  await aptInstall(root, ['python3-venv'])
  return findPython()
}

/** What a person would have to do where there is none. */
export const PYTHON_HINT =
  'no Python from 3.10 on that can make virtual environments: install one ' +
  '(Debian and Ubuntu: sudo apt-get install python3-venv), or name it in PYTHON'

/** Debian's Python without python3-venv has no ensurepip: it makes environments without pip. */
async function versionOf(program: string): Promise<string | undefined> {
  const look =
    'import ensurepip, platform, sys, venv; assert sys.version_info >= (3, 10); print(platform.python_version())'
  try {
    return (await run(program, ['-c', look], { timeout: 30_000 })).stdout.trim()
  } catch {
    return undefined
  }
}

/** Where the files of environments are, and where the environments are kept. */
interface Place {
  readonly directory: URL
  readonly cache: string
}

const INTEROP: Place = {
  directory: new URL('environments/', import.meta.url),
  cache: join(ROOT, '.cache/interop'),
}

/** The environment of this name. It is used again as long as neither its packages nor its Python change. */
export async function makeEnvironment(
  name: string,
  { program, version }: Python,
  say: (line: string) => void,
  place = INTEROP,
): Promise<Environment> {
  const text = readFileSync(new URL(`${name}.txt`, place.directory), 'utf8')
  const hash = createHash('sha256').update(`${program} ${version}\n${text}`).digest('hex')
  const directory = join(place.cache, `${name}-${hash.slice(0, 8)}`)
  const python = join(directory, 'bin/python')
  // Written last: without it, the one who made the environment was interrupted.
  const complete = join(directory, 'complete.json')
  if (existsSync(complete)) return JSON.parse(readFileSync(complete, 'utf8')) as Environment
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const begin = performance.now()
  try {
    const deadline = AbortSignal.timeout(MAKE_WITHIN_MS)
    await run(program, ['-m', 'venv', directory], { signal: deadline })
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    const notes: string[] = []
    for (const line of lines) notes.push(...(await pipInstall(python, line.split(' '), deadline)))
    const environment = { name, python, notes }
    writeFileSync(complete, JSON.stringify(environment))
    say(`installed ${name} in ${((performance.now() - begin) / 1000).toFixed(0)} s`)
    return environment
  } catch (error) {
    rmSync(directory, { recursive: true, force: true })
    return { name, missing: reasonOf(error) }
  }
}

/** Returns what had to be done beyond the plain command. */
async function pipInstall(
  python: string,
  packages: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const pip = ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check']
  try {
    await run(python, [...pip, ...packages], { signal })
    return []
  } catch (error) {
    if (!reasonOf(error).includes(OTHER_PYTHON)) throw error
    await run(python, [...pip, '--ignore-requires-python', ...packages], { signal })
    const names = packages.filter((word) => !word.startsWith('-')).join(' ')
    return [`${names}: this Python is not among those it allows (--ignore-requires-python)`]
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && error.name === 'AbortError') {
    return `not done after ${MAKE_WITHIN_MS / 1000} s`
  }
  const { stderr } = error as { stderr?: string }
  const last = (stderr ?? '').trim().split('\n').slice(-6).join('\n')
  return last === '' ? String(error) : last
}
