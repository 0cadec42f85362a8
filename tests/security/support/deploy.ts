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

const done = new Set<string>()

/** Runs `deploy/rabbitmq/permissions.sh` with a rabbitmqctl that only notes its calls, and does those to the broker. */
export async function grantOnRabbitmq(
  rabbitmq: Server,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
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
    for (const call of readFileSync(calls, 'utf8').trimEnd().split('\n')) {
      // A login is the same in each virtual host, and each call takes seconds.
      if (done.has(rabbitmq.url + call)) continue
      done.add(rabbitmq.url + call)
      await rabbitmq.control(...call.split('\0').slice(0, -1))
    }
  } finally {
    rmSync(directory, { recursive: true })
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
