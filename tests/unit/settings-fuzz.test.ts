import { describe, expect, test } from 'vitest'
import { gatewaySettingNames, readConfig } from '../../src/config.ts'
import { readWorkerConfig, workerSettingNames } from '../../worker-stub/config.ts'
import { complaint } from '../support/complaint.ts'
import { isLong, named } from '../support/long.ts'
import { CANARY, RIGHT, nastyValues } from '../support/nasty-values.ts'
import { randomOf } from '../support/random.ts'
import { ANSWERS } from '../support/setting-answers.ts'
import type { Env } from '../../src/config.ts'

const SEED = 20_261
const VALUES = isLong ? 10_000 : 100

/** What has to be set besides, so that a variable is looked at and its value can be right by itself. */
function besides(name: string): Env {
  if (name.startsWith('CELERY_')) return { DIALECT: 'celery-v2' }
  if (name.startsWith('REDIS_PREFIX_FOR') || name === 'BASE_PRIORITY') {
    return { DIALECT: 'protollm-v1.1' }
  }
  // A Service of Kubernetes differs from a port of ours by the host beside it.
  if (name.endsWith('_PORT')) return { [name.replace('_PORT', '_HOST')]: 'host' }
  if (name === 'DELIVERY_LIMIT') return { QUEUE_TYPE: 'quorum' }
  return {}
}

const PROGRAMS = [
  ['gateway', readConfig, gatewaySettingNames],
  ['worker stub', readWorkerConfig, workerSettingNames],
] as const

/** Settings of the same problem: what is too short for another one is said of either. */
const isSaidOf = (said: string, name: string): boolean =>
  said.startsWith(`${name} `) ||
  (/^(TIMEOUT|JOB_TTL_S)$/.test(name) && said.startsWith('RESULT_TTL_S '))

function checkAs(value: string, check: () => void): void {
  try {
    check()
  } catch (cause) {
    throw new Error(`${JSON.stringify(value)} is taken, and as something else`, { cause })
  }
}

describe.each(PROGRAMS)('each setting of the %s', (_, read, names) => {
  test.each(names)(
    `${named(VALUES)} values of %s: taken as they are, or refused by name`,
    (name) => {
      const next = nastyValues(randomOf(SEED))
      const check = ANSWERS[name]
      if (check === undefined) throw new Error(`${name} has no check in setting-answers.ts`)
      let taken = 0
      const values = [...RIGHT, ...Array.from({ length: VALUES }, next)]
      for (const value of values) {
        const env = { ...besides(name), [name]: value }
        const said = complaint(read, env)
        if (said === '') {
          checkAs(value, () => check(read(env), value))
          taken += 1
        } else if (!isSaidOf(said, name) || said.includes(CANARY)) {
          throw new Error(`${JSON.stringify(value)} is refused with: ${said}`)
        }
      }
      expect(taken).toBeGreaterThan(0)
      expect(taken).toBeLessThan(values.length)
    },
  )

  test('reads values in all variables at once without a crash, and says none', () => {
    const next = nastyValues(randomOf(SEED + 1))
    for (let index = 0; index < VALUES; index += 1) {
      const env = Object.fromEntries(names.map((name) => [name, next()]))
      const said = complaint(read, env)
      expect(said).toMatch(/^[A-Z_]+ (must|is wrong|and)/)
      expect(said).not.toContain(CANARY)
    }
  })

  test('reads a file by any name without a crash, and says no name', () => {
    const next = nastyValues(randomOf(SEED + 2))
    for (let index = 0; index < VALUES; index += 1) {
      const said = complaint(read, { RABBIT_MQ_PASSWORD_FILE: `/nowhere/${CANARY}${next()}` })
      expect(said).toMatch(/^RABBIT_MQ_PASSWORD_FILE cannot be read: E[A-Z_]+$/)
    }
  })
})
