import { ErrorReply, defineScript } from 'redis'
import type { CommandParser } from 'redis'
import type { Dialect, Values } from '../../dialect.ts'
import type { JobKeys } from './record.ts'

/** What every script is asked by. */
export interface KindAsk {
  /** What tells that a job has ended. */
  readonly ends: Dialect['ends']
  /** The end of a job does not shorten the life of its record: its worker may answer twice. */
  readonly keepsLife: boolean
  /** How long results live whose record has gone, in ms. */
  readonly ttl: number
}

/** Position of the first result key in KEYS. */
export const FIRST_RESULT = 4

/** One call of a script about one job. */
export interface JobCall<Ask> {
  readonly keys: JobKeys
  /** What the script has to know, by name. */
  readonly ask: Ask
  /** Passed as they are: an answer may be large, and must not be parsed a second time. */
  readonly values?: readonly string[]
  /** Keys beyond those of the job. */
  readonly others?: readonly string[]
}

/**
 * A script about one job as a command of the client, which sends it by its hash, and
 * as text where Redis does not know it yet. `replyOf` gives the reply its names.
 */
export function jobScript<Ask extends object, Raw, Reply>(
  lua: string,
  replyOf: (raw: Raw) => Reply,
) {
  return defineScript({
    SCRIPT: lua,
    parseCommand(parser: CommandParser, { keys, ask, values = [], others = [] }: JobCall<Ask>) {
      const { record, cancel, deltas, results } = keys
      parser.pushKeysLength([record, cancel, deltas, ...results, ...others])
      parser.push(JSON.stringify({ ...ask, results: results.length }), ...values)
    },
    transformReply: (raw: unknown) => replyOf(raw as Raw),
  })
}

export const asItIs = <Raw>(raw: Raw): Raw => raw

/** Values as arguments; '' leaves the key in its place as it is. */
export const argumentsOf = (values: Values): string[] => values.map((value) => value ?? '')

/** What Redis before 7.0 puts in front of the reason. Every version names the place in the script, whatever the reason is. */
const BEFORE_REASON =
  /^ERR Error running script \(call to \w+\): @user_script:\d+: (?:@user_script: \d+: )?-?/

/** What Redis 7 and Valkey put behind the reason. */
const AFTER_REASON = / script: (?:\w+, )?on @user_script:\d+\.$/

/** Why Redis refused, without the place in the script. Before 7.0, a reason of a script itself has no code. */
export function reasonOf({ message }: Error): string {
  const reason = message.replace(BEFORE_REASON, '').replace(AFTER_REASON, '')
  return reason.startsWith('The user executing the script') ? `ERR ${reason}` : reason
}

/** Reasons that lie in the record: another type, another version, or not of the form that the script takes it for. */
const IN_RECORD =
  /^(?:WRONGTYPE|RECORD) |^(?:ERR )?(?:user_script:\d+: |Error compiling|.*arguments must be strings or integers|value is not an integer|invalid expire time)/

/**
 * A refusal that stays the same however often the script is called. Not one that passes
 * while the caller waits: no memory, a failover, a full disk, a missing right.
 */
export const canNeverSucceed = (error: unknown): boolean =>
  error instanceof ErrorReply && IN_RECORD.test(error.message.replace(BEFORE_REASON, ''))
