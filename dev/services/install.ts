import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'

const run = promisify(execFile)
const POLICY = '/usr/sbin/policy-rc.d'

/** How to become root here: nothing to add, `sudo`, or not at all without a person. */
export async function rootCommand(): Promise<readonly string[] | undefined> {
  if (!existsSync('/usr/bin/apt-get')) return undefined
  if (process.getuid?.() === 0) return []
  try {
    await run('sudo', ['-n', 'true'])
    return ['sudo', '-n']
  } catch {
    return undefined
  }
}

/**
 * Installs Debian packages by name. A server that its package would start as a
 * system service stays stopped: we run private ones. Package lists may be
 * missing or old, so they are fetched only after a first try failed.
 */
export async function aptInstall(
  root: readonly string[],
  packages: readonly string[],
): Promise<void> {
  const asRoot = async (...command: string[]): Promise<void> => {
    const [program, ...args] = [...root, ...command]
    await run(program as string, args, { maxBuffer: 64 << 20 })
  }
  const apt = (...args: string[]): Promise<void> =>
    asRoot('env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args)
  const forbidsStart = !existsSync(POLICY)
  if (forbidsStart) {
    await asRoot('sh', '-c', `printf '#!/bin/sh\\nexit 101\\n' >${POLICY} && chmod +x ${POLICY}`)
  }
  const install = ['install', '--yes', '--no-install-recommends', ...packages]
  try {
    await apt(...install).catch(async () => {
      await apt('update')
      await apt(...install)
    })
  } finally {
    if (forbidsStart) await asRoot('rm', '-f', POLICY)
  }
}

/** The command a person would give on this system. */
export function installHint(): string {
  const systems: [path: string, command: string][] = [
    ['/usr/bin/apt-get', 'sudo apt-get install redis-server rabbitmq-server'],
    ['/usr/bin/dnf', 'sudo dnf install redis rabbitmq-server'],
    ['/usr/bin/pacman', 'sudo pacman -S redis rabbitmq'],
    ['/sbin/apk', 'sudo apk add redis rabbitmq-server'],
    ['/opt/homebrew/bin/brew', 'brew install redis rabbitmq'],
    ['/usr/local/bin/brew', 'brew install redis rabbitmq'],
  ]
  const known = systems.find(([path]) => existsSync(path))
  return known?.[1] ?? 'install redis-server and rabbitmq-server'
}
