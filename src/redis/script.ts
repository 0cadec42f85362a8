import { defineScript } from 'redis'
import type { CommandParser } from 'redis'
import type { Dialect, Values } from '../dialect.ts'

/** Milliseconds by the clock of Redis, as `now`: replicas need not agree on the time. */
export const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

/**
 * Whether one of the keys from `first` to `last` says that the job has ended, by the
 * dialect's marks as `marksOf` has them. What is no string nobody can read: an end.
 */
export const ENDED = `
local function ended(first, last, marks)
  if marks == 'any' then return redis.call('EXISTS', unpack(KEYS, first, last)) > 0 end
  for line in string.gmatch(marks, '[^\\n]+') do
    local position, pattern = string.match(line, '^(%d+) (.*)$')
    local head = redis.pcall('GETRANGE', KEYS[first + position], 0, 255)
    if type(head) == 'table' then return true end
    if head ~= '' and string.find(head, pattern) then return true end
  end
  return false
end
`

/** What stands at a key, or the beginning of it; false where nothing does. */
export const FIRST_PIECE = `
local function firstPiece(key, bytes)
  local value = redis.call('GETRANGE', key, 0, bytes - 1)
  if value == '' and redis.call('EXISTS', key) == 0 then return false end
  return value
end
`

/** For `ended`, as an argument. */
export const marksOf = ({ ends }: Pick<Dialect, 'ends'>): string =>
  ends === 'any' ? ends : ends.map((mark) => `${mark.position} ${mark.pattern}`).join('\n')

/** Values as arguments: '' leaves the key in its place alone. */
export const argumentsOf = (values: Values): string[] => values.map((value) => value ?? '')

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
