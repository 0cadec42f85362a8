import { ErrorReply } from 'redis'
import { describe, expect, test } from 'vitest'
import { canNeverSucceed } from '../../../src/redis/record/script.ts'

/**
 * What servers answered to a script: Redis 7.0.15, Redis 6.2.14 and Valkey 9.1.2. They add
 * the place in the script to every error, also to those that pass.
 */
const hash = 'd3c21d0c2b9ca22f82737626a27bcaf5d288f99f'
const seven = (text: string): string => `${text} script: ${hash}, on @user_script:3.`
const six = (text: string): string =>
  `ERR Error running script (call to f_${hash}): @user_script:3: ${text}`
const sixInside = (text: string): string => six(`@user_script: 3: ${text}`)
const valkey = (text: string): string => `${text} script: on @user_script:3.`

const WRONGTYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value'
const OOM = "OOM command not allowed when used memory > 'maxmemory'."
const READONLY = "READONLY You can't write against a read only replica."
const NOREPLICAS = 'NOREPLICAS Not enough good replicas to write.'
const NOT_JSON = 'user_script:3: Expected value but found invalid token at character 1'
const NO_OBJECT = "user_script:3: attempt to index local 'record' (a number value)"
const NO_NUMBER = 'user_script:3: attempt to compare number with nil'
const KILLED = 'Script killed by user with SCRIPT KILL...'

describe('what a repeated script call cannot mend', () => {
  test.each([
    ['a record of another type', seven(WRONGTYPE), six(WRONGTYPE), valkey(WRONGTYPE)],
    ['a record of another version', 'RECORD of a version that is not known here'],
    ['a record that is not JSON', seven(`ERR ${NOT_JSON}`), six(NOT_JSON)],
    ['a record that is no object', seven(`ERR ${NO_OBJECT}`), six(NO_OBJECT)],
    ['a record without a number', valkey(`ERR ${NO_NUMBER}`), six(NO_NUMBER)],
    [
      'a record without a time to live',
      seven('ERR Lua redis lib command arguments must be strings or integers'),
      valkey('ERR Command arguments must be strings or integers'),
      sixInside('Lua redis() command arguments must be strings or integers'),
      seven('ERR value is not an integer or out of range'),
      six('ERR value is not an integer or out of range'),
      seven("ERR invalid expire time in 'set' command"),
      six('ERR invalid expire time in set'),
    ],
    [
      'a script that Redis does not understand',
      "ERR Error compiling script (new function): user_script:1: unexpected symbol near 'return'",
    ],
  ])('%s', (_, ...texts) => {
    for (const text of texts) expect([text, isFinal(text)]).toEqual([text, true])
  })
})

describe('what passes, and is tried again', () => {
  test.each([
    ['memory that has run out', OOM, seven(OOM), sixInside(`-${OOM}`), valkey(OOM)],
    ['a failover', seven(READONLY), sixInside(`-${READONLY}`), valkey(READONLY)],
    ['replicas that are away', seven(NOREPLICAS), sixInside(`-${NOREPLICAS}`)],
    [
      'a disk that is full',
      sixInside('-MISCONF Redis is configured to save RDB snapshots, but it is currently not able'),
    ],
    [
      'a lost master',
      "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    ],
    ['a start', 'LOADING Redis is loading the dataset in memory'],
    [
      'a script of another program that runs for long, or was killed',
      'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
      seven(`ERR ${KILLED}`),
      sixInside(KILLED),
    ],
    [
      'a right that an operator can grant',
      'NOPERM this user has no permissions to access one of the keys used as arguments',
      seven("ERR The user executing the script can't run this command or subcommand"),
      sixInside("The user executing the script can't run this command or subcommand"),
      valkey("ERR ACL failure in script: User x has no permissions to run the 'set' command"),
    ],
  ])('%s', (_, ...texts) => {
    for (const text of texts) expect([text, isFinal(text)]).toEqual([text, false])
  })

  test('a connection that was lost', () => {
    expect(canNeverSucceed(new Error(WRONGTYPE))).toBe(false)
    expect(canNeverSucceed('WRONGTYPE')).toBe(false)
  })
})

const isFinal = (text: string): boolean => canNeverSucceed(new ErrorReply(text))
