import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ConfigError, readConfig } from '../../src/config.ts'
import { readWorkerConfig } from '../../worker-stub/config.ts'
import { eventually } from '../support/eventually.ts'
import { generate } from '../support/http-client.ts'
import { freshSettings } from '../support/scene.ts'
import { startAndListen, urlOf } from './support/output.ts'
import type { Settings } from '../support/scene.ts'
import type { Output } from './support/output.ts'

const SECRET = 'canary-secret'
/** Characters that mean something in a URL, so that it is in its address otherwise than it is sent. */
const PASSWORD = `${SECRET}/@:%п`

function secretFile(): string {
  const directory = mkdtempSync(join(tmpdir(), 'settings-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'file')
  writeFileSync(file, `${SECRET}\n`)
  return file
}

test('no line and no answer says a password that was refused by its server', async () => {
  const settings = freshSettings()
  const withLogin = (address: string): string => {
    const url = new URL(address)
    url.username = 'somebody'
    url.password = encodeURIComponent(PASSWORD)
    return url.href
  }
  const wrong = {
    ...settings,
    LOG_LEVEL: 'debug',
    RABBIT_MQ_URL: withLogin(settings.RABBIT_MQ_URL ?? ''),
    REDIS_URL: withLogin(settings.REDIS_URL ?? ''),
  }
  const programs = [
    startAndListen('src/main.ts', wrong),
    startAndListen('worker-stub/main.ts', wrong),
  ]
  for (const { text } of programs) {
    await eventually('both servers have refused it', () => {
      return text().includes('broker.connect_failed') && text().includes('redis.connect_failed')
    })
    expect(text()).toMatch(/ACCESS.REFUSED/)
    expect(text()).toMatch(/WRONGPASS/)
  }
  const url = await urlOf(programs[0] as Output)
  const readiness = await fetch(`${url}/readyz`)
  expect(readiness.status).toBe(503)
  const said = [await readiness.text(), JSON.stringify((await generate(url, 'j', 'x')).body)]
  for (const text of [...said, ...programs.map((program) => program.text())]) {
    expect(text).not.toContain(SECRET)
    expect(text).not.toContain(encodeURIComponent(PASSWORD).slice(-6))
  }
})

/** What the program prints that reads these settings. */
function complaint(read: (env: Settings) => unknown, settings: Settings): string {
  try {
    read(settings)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return 'none'
}

describe.each([
  ['gateway', readConfig],
  ['worker stub', readWorkerConfig],
])('the settings of the %s', (_, read) => {
  test('are complained of by name, and never by value', () => {
    const file = secretFile()
    const bad: Settings[] = [
      { REDIS_URL: SECRET },
      { REDIS_URL_FILE: file },
      { RABBIT_MQ_URL: `http://user:${SECRET}@host` },
      { RABBIT_MQ_URL: `amqp://user:${SECRET}@ho st` },
      { RABBIT_MQ_PASSWORD: SECRET, RABBIT_MQ_PASSWORD_FILE: file },
      { RABBIT_MQ_PASSWORD_FILE: `${file}/${SECRET}` },
      { LOG_LEVEL: SECRET, RESULT_TTL_S: SECRET, DIALECT: SECRET, REDIS_PREFIX: `${SECRET}*` },
    ]
    for (const settings of bad) {
      const text = complaint(read, settings)
      for (const name of Object.keys(settings)) expect(text).toContain(name.replace('_FILE', ''))
      expect(text).not.toContain(SECRET)
    }
  })

  test.each(['amqp', 'redis'])(
    'with a login that cannot be decoded in an %s:// URL is a bad one',
    (scheme) => {
      const name = scheme === 'amqp' ? 'RABBIT_MQ_URL' : 'REDIS_URL'
      const text = complaint(read, { [name]: `${scheme}://user:${SECRET}%zz@host` })
      expect(text).toMatch(new RegExp(`^${name} (?!.*${SECRET})`))
    },
  )

  test('may come from a file, without its last newline', () => {
    const config = read({ RABBIT_MQ_PASSWORD_FILE: secretFile(), RABBIT_MQ_HOST: 'h' })
    expect(config).toMatchObject({ rabbitUrl: `amqp://admin:${SECRET}@h:5672` })
  })
})
