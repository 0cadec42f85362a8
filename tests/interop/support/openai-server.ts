import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { onTestFinished } from 'vitest'
import { freePort } from '../../../dev/services/port.ts'
import { startCommand } from '../../../dev/program.ts'
import { eventually } from '../../support/eventually.ts'
import { report } from './report.ts'
import type { Outcome } from '../../../src/job.ts'
import type { Settings } from '../../support/scene.ts'
import type { Environment } from '../python.ts'

const run = promisify(execFile)

/** Python imports much: LiteLLM alone takes half a minute on a busy machine. */
const STARTS_WITHIN_MS = 100_000

export interface OpenaiServer {
  readonly url: string
  /** For the summary of the run. */
  readonly count: (outcomes: readonly Outcome[]) => void
}

interface Command {
  readonly name: string
  /** A program of the environment, and what it is called with before its port. */
  readonly args: readonly [string, ...string[]]
  /** Answers as soon as the server does. */
  readonly health: string
  readonly env?: Settings
}

/** A real server with an API as OpenAI's, on a port of its own. Killed after the test. */
export async function startOpenaiServer(
  environment: Environment,
  { name, args: [program, ...args], health, env = {} }: Command,
): Promise<OpenaiServer> {
  if ('missing' in environment) throw new Error(`not installed: ${environment.missing}`)
  const { python } = environment
  const url = `http://127.0.0.1:${await freePort()}`
  let errors = ''
  const server = startCommand(
    join(dirname(python), program),
    [...args, '--host', '127.0.0.1', '--port', new URL(url).port],
    { PYTHONDONTWRITEBYTECODE: '1', ...env },
    { onError: (text) => (errors = (errors + text).slice(-4_000)) },
  )
  onTestFinished(async () => {
    await server.end('SIGKILL')
  })
  const died = server.ended.then((how) => {
    throw new Error(`${program} ended with ${how}:\n${errors}`)
  })
  const answers = async (): Promise<boolean> =>
    (await fetch(url + health).catch(() => undefined))?.ok === true
  await Promise.race([eventually(`${program} answers`, answers, STARTS_WITHIN_MS), died])
  const look = `import importlib.metadata, platform; print(importlib.metadata.version('${program}'), platform.python_version())`
  const [version, pythonVersion] = (await run(python, ['-c', look])).stdout.trim().split(' ')
  return {
    url,
    count: (outcomes) => {
      const counts: Record<string, number> = {}
      for (const outcome of outcomes) {
        const kind = outcome.kind === 'failed' ? `failed ${outcome.type}` : outcome.kind
        counts[kind] = (counts[kind] ?? 0) + 1
      }
      report({
        kind: 'spoken',
        program: `${name} ${version}, asked by the stub’s engine`,
        runsOn: `Python ${pythonVersion}`,
        outcomes: counts,
      })
    },
  }
}
