import { destination as stdout, pino } from 'pino'
import type { DestinationStream, Logger } from 'pino'

export type Log = Logger

/** What cannot be written is kept up to this size, and then dropped. */
const MAX_UNWRITTEN_BYTES = 1024 * 1024

/**
 * One JSON line per event, named `noun.verb`. Fields are chosen at each call
 * and never whole requests: what a user wrote, what a model answered, keys and
 * passwords have no way in.
 */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    formatters: { level: (name: string) => ({ level: name }) },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
  }
  return pino(options, destination ?? (stdoutOnce ??= standardOutput()))
}

/** One for the process: each would listen to its exit. */
let stdoutOnce: DestinationStream | undefined

/** A disk that is full, or a reader that has gone, is no reason to end: then nothing is logged. */
function standardOutput(): DestinationStream {
  const output = stdout({ fd: 1, sync: true, maxLength: MAX_UNWRITTEN_BYTES })
  output.on('error', () => {})
  return onceATurn(output)
}

/** Lines of one turn of the event loop go out in one write, and none stays behind when the process ends. */
function onceATurn(output: DestinationStream): DestinationStream {
  let lines = ''
  const flush = (): void => {
    if (lines !== '') output.write(lines)
    lines = ''
  }
  process.on('exit', flush)
  return {
    write(line: string): void {
      if (lines === '') setImmediate(flush)
      lines += line
    },
  }
}

/** What may be said of an error whose text is not ours: drivers put addresses there, never a user's words. */
export function errorFields(error: unknown): { error: string } {
  return { error: error instanceof Error ? withoutLogin(error.message) : 'not an Error' }
}

/** Which server a connection goes to, and by which login. Never the password. */
export function serverFields(url: string): { server: string; user: string } {
  const { protocol, hostname, port, pathname, username } = new URL(url)
  const isRedis = protocol.startsWith('redis')
  const host = `${hostname}:${port || DEFAULT_PORTS[protocol]}`
  // The virtual host or the database.
  const path = pathname.length > 1 ? decodeURIComponent(pathname) : ''
  return {
    server: host + path,
    user: decodeURIComponent(username) || (isRedis ? 'default' : 'guest'),
  }
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = {
  'amqp:': '5672',
  'amqps:': '5671',
  'redis:': '6379',
  'rediss:': '6379',
}

/** For a fault that was not foreseen: where it came from, too. */
export function faultFields(error: unknown): { error: string; stack?: string } {
  if (!(error instanceof Error) || error.stack === undefined) return errorFields(error)
  return { ...errorFields(error), stack: withoutLogin(error.stack) }
}

/** An address in an error may carry the password that it was made from, and that password any character. */
function withoutLogin(text: string): string {
  return text.replace(/(?<!file:)\/\/\S*@/g, '//…@')
}
