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
  const list = packages.join(' ')
  const install = `apt-get install --yes --no-install-recommends ${list}`
  const script = [
    'export DEBIAN_FRONTEND=noninteractive',
    // Removed however the shell ends, Ctrl-C included.
    `[ -e ${POLICY} ] || { trap 'rm -f ${POLICY}' EXIT INT TERM; printf '#!/bin/sh\\nexit 101\\n' >${POLICY}; chmod +x ${POLICY}; }`,
    `${install} || { apt-get update && ${install}; }`,
  ].join('\n')
  const [program, ...args] = [...root, 'sh', '-c', script]
  await run(program as string, args, { maxBuffer: 64 << 20 })
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
