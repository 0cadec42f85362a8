import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ROOT } from '../../dev/program.ts'

const run = promisify(execFile)
const fileOf = (path: string): string => fileURLToPath(new URL(`clients/${path}`, import.meta.url))

/** How a client is started, or why this machine has none. */
export type Client =
  | { readonly command: string; readonly args: readonly string[] }
  | { readonly missing: string }

const BUILD_WITHIN_MS = 120_000

/** Go's client, compiled once and kept in `.cache/interop`: a first build takes longer than all tests of it. */
export async function goClient(): Promise<Client> {
  const source = fileOf('go/main.go')
  try {
    const { stdout } = await run('go', ['version'])
    const hash = createHash('sha256').update(stdout).update(readFileSync(source)).digest('hex')
    const command = join(ROOT, '.cache/interop', `go-client-${hash.slice(0, 8)}`)
    if (existsSync(command)) return { command, args: [] }
    mkdirSync(join(ROOT, '.cache/interop'), { recursive: true })
    await run('go', ['build', '-o', command, source], { timeout: BUILD_WITHIN_MS })
    return { command, args: [] }
  } catch (error) {
    return { missing: whyOf(error) }
  }
}

/** Java compiles a single file when it starts it; from version 17 on the file can be read. */
export async function javaClient(): Promise<Client> {
  try {
    const { stderr } = await run('java', ['-version'])
    const version = Number(/version "(\d+)/.exec(stderr)?.[1])
    if (!(version >= 17)) return { missing: `Java ${version}, and not 17 or newer` }
    await run('javac', ['-version'])
    return { command: 'java', args: ['-XX:TieredStopAtLevel=1', fileOf('java/Reader.java')] }
  } catch (error) {
    return { missing: whyOf(error) }
  }
}

const whyOf = (error: unknown): string =>
  error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
