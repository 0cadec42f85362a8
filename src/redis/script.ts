import { defineScript } from 'redis'
import type { CommandParser } from 'redis'

/** Milliseconds by the clock of Redis, as `now`: replicas need not agree on the time. */
export const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

/** A script as a command of the client: sent by its hash, and as text where Redis does not know it yet. */
export function script<T>(lua: string) {
  return defineScript({
    SCRIPT: lua,
    parseCommand(parser: CommandParser, keys: readonly string[], args: readonly string[]) {
      parser.pushKeysLength([...keys])
      parser.push(...args)
    },
    transformReply: (reply: unknown) => reply as T,
  })
}
