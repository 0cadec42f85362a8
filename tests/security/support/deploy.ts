import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../../../dev/program.ts'
import type { Server } from '../../../dev/services/server.ts'

const read = (path: string): string => readFileSync(join(ROOT, 'deploy', path), 'utf8')
const passwordOf = (login: string): string => `password-of-${login}`

/** The server's address as this login has it. */
export function urlFor({ url }: Pick<Server, 'url'>, login: string, path = ''): string {
  const own = new URL(url)
  own.username = login
  own.password = passwordOf(login)
  own.pathname = path
  return own.href
}

/** What `deploy/README.md` says the gateway needs more to set notifications by itself. */
export const CONFIG_RIGHTS = /^\+config.*$/m.exec(read('README.md'))?.[0] ?? ''

/** The commands that `deploy/redis/users.acl` allows a login. */
export function commandsOf(login: string): string[] {
  const line = read('redis/users.acl')
    .split('\n')
    .find((text) => text.startsWith(`user ${login} `))
  return (line ?? '').split(' ').flatMap((rule) => (rule.startsWith('+') ? rule.slice(1) : []))
}

/** Gives the logins of a file in `deploy/redis` to a server, and some of them more. */
export async function grantOnRedis(
  redis: Server,
  more: Readonly<Record<string, string>> = {},
  file = 'users.acl',
): Promise<void> {
  const lines = read(`redis/${file}`).trim().split('\n')
  // The default login last: it is the one that does this.
  for (const line of lines.toReversed()) {
    const [, login = '', ...rules] = line.split(' ')
    const ours = rules.map((rule) => (rule.startsWith('>') ? `>${passwordOf(login)}` : rule))
    const extra = more[login]?.split(' ') ?? []
    await redis.control('ACL', 'SETUSER', login, ...ours, ...extra)
  }
}

/** The calls of rabbitmqctl that `deploy/rabbitmq/permissions.sh` makes with these settings. */
function callsOf(settings: Readonly<Record<string, string>>): string[][] {
  const directory = mkdtempSync(join(tmpdir(), 'permissions-'))
  try {
    const calls = join(directory, 'calls')
    const tool = join(directory, 'rabbitmqctl')
    writeFileSync(tool, NOTE_CALL)
    chmodSync(tool, 0o700)
    execFileSync('sh', [join(ROOT, 'deploy/rabbitmq/permissions.sh')], {
      env: {
        ...settings,
        CALLS: calls,
        PATH: `${directory}:${process.env.PATH}`,
        GATEWAY_PASSWORD: passwordOf('llm-gateway'),
        WORKER_PASSWORD: passwordOf('llm-worker'),
      },
    })
    const lines = readFileSync(calls, 'utf8').trimEnd().split('\n')
    return lines.map((line) => line.split('\0').slice(0, -1))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** Runs the script with a rabbitmqctl that only notes its calls, and does those to the broker, one by one. */
export async function grantOnRabbitmq(
  rabbitmq: Server,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  for (const call of callsOf(settings)) await rabbitmq.control(...call)
}

/**
 * The same for several settings, and all rights for the login of the tests, in
 * one call: each one starts a virtual machine, which takes seconds. The calls
 * become what `rabbitmqctl import_definitions` reads.
 */
export async function grantAllOnRabbitmq(
  rabbitmq: Server,
  settings: readonly Readonly<Record<string, string>>[],
): Promise<void> {
  const definitions = new Definitions()
  for (const each of settings) {
    for (const call of callsOf(each)) definitions.add(call)
    definitions.add(['set_permissions', '-p', each.VHOST ?? '', 'guest', '.*', '.*', '.*'])
  }
  const directory = mkdtempSync(join(tmpdir(), 'definitions-'))
  try {
    const file = join(directory, 'definitions.json')
    writeFileSync(file, JSON.stringify(definitions))
    await rabbitmq.control('import_definitions', file)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** https://www.rabbitmq.com/docs/definitions */
class Definitions {
  readonly vhosts: object[] = []
  readonly users: object[] = []
  readonly permissions: object[] = []

  add([command = '', ...args]: readonly string[]): void {
    const [first, second, user, configure, write, read] = args
    if (command === 'add_vhost') this.vhosts.push({ name: first })
    else if (command === 'add_user') this.users.push({ name: first, password: second, tags: '' })
    else if (command === 'set_permissions' && first === '-p')
      this.permissions.push({ vhost: second, user, configure, write, read })
    // A user has no tags but those it is given.
    else if (command !== 'set_user_tags' || second !== undefined)
      throw new Error(`not known as a definition: ${command} ${args.join(' ')}`)
  }
}

/** A line a call, an end of each argument marked by NUL; a password from standard input is the last one. */
const NOTE_CALL = `#!/bin/sh
{
  for argument in "$@"; do printf '%s\\0' "$argument"; done
  if [ "$1" = add_user ]; then head -n 1 | tr -d '\\n'; printf '\\0'; fi
  echo
} >> "$CALLS"
`
