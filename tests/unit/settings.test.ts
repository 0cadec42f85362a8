import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { describe, expect, test } from 'vitest'
import { gatewaySettingNames, readConfig } from '../../src/config.ts'
import { readWorkerConfig, workerSettingNames } from '../../worker-stub/config.ts'

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const example = read('.env.example')
/** Name to default; a name behind `# ` is unset by default. */
const inExample = new Map(
  [...example.matchAll(/^(# )?([A-Z][A-Z0-9_]+)=(.*)$/gm)].map(([, unset, name, value]) => [
    name as string,
    unset ? undefined : value,
  ]),
)
const ofCompose = ['WEB_RABBIT_MQ', 'RABBITMQ_DEFAULT_USER', 'RABBITMQ_DEFAULT_PASS']
const ofPrograms = [...new Set([...gatewaySettingNames, ...workerSettingNames])]

describe('the settings', () => {
  test('are all in .env.example, and nothing else is', () => {
    expect([...inExample.keys()].toSorted()).toEqual([...ofPrograms, ...ofCompose].toSorted())
  })

  test('have the defaults that .env.example shows', () => {
    const env = Object.fromEntries(inExample)
    expect(JSON.stringify(readConfig(env))).toBe(JSON.stringify(readConfig({})))
    expect(JSON.stringify(readWorkerConfig(env))).toBe(JSON.stringify(readWorkerConfig({})))
  })

  test('are all in README’s table, with those defaults', () => {
    const table = read('README.md').split('## Settings')[1]?.split('## Development')[0] ?? ''
    const rows = table.split('\n').filter((line) => line.startsWith('| `'))
    const inTable = rows.flatMap((row): [string, string][] => {
      const [, names = '', defaults = ''] = row.split('|')
      const values = defaults.split(',').map((value) => value.trim())
      return [...names.matchAll(/`([A-Z0-9_]+)`/g)].map(([, name], index) => [
        name as string,
        values[index] ?? '',
      ])
    })
    const names: string[] = inTable.map(([name]) => name)
    expect(names.toSorted()).toEqual([...inExample.keys()].toSorted())
    // In words, such as "none", where there is no value to show.
    const shown = inTable.filter(([, value]) => value.startsWith('`'))
    expect(shown).toEqual(shown.map(([name]) => [name, `\`${inExample.get(name)}\``]))
  })

  test('reach the containers: compose passes each on or sets it', () => {
    const compose = read('compose.yaml')
    const given = new Set([...compose.matchAll(/^ +([A-Z][A-Z0-9_]+):/gm)].map(([, name]) => name))
    // The hosts are services of compose itself, the port and address are those inside the container.
    const addresses = ['RABBIT_MQ_URL', 'CELERY_BROKER_URL', 'REDIS_URL', 'CELERY_RESULT_BACKEND']
    const fixed = [...addresses, 'API_HOST']
    const missing = ofPrograms.filter((name) => !given.has(name) && !fixed.includes(name))
    expect(missing).toEqual([])
    for (const name of ofCompose) expect(compose).toContain(`\${${name}:-`)
  })
})

/** Lines of `.env`, and what compose reads in them: as captured from its parser, compose-go 2.16.2. */
const IN_QUOTES = [
  [String.raw`A='pa#ss'`, 'pa#ss'],
  [String.raw`A='pa$word'`, 'pa$word'],
  [String.raw`A='pa$$word'`, 'pa$$word'],
  [String.raw`A='a\b\\n\n'`, String.raw`a\b\\n\n`],
  [String.raw`A='a "b" c'`, 'a "b" c'],
  [String.raw`A=' sp '`, ' sp '],
  ["A='x`y'", 'x`y'],
  [String.raw`A='a@b/c?d%e'`, 'a@b/c?d%e'],
  [String.raw`A="it's a #x"`, "it's a #x"],
] as const
const WITHOUT_QUOTES = [
  ['A=pa#ss', 'pa#ss'],
  ['A=pa$$word', 'pa$word'],
] as const

describe('a value in .env', () => {
  test.each(IN_QUOTES)('%s is read alike by Node and by compose', (line, byCompose) => {
    expect(parseEnv(line)).toEqual({ A: byCompose })
  })

  test.each(WITHOUT_QUOTES)(
    '%s is not, which is why .env.example says how to quote',
    (line, byCompose) => {
      expect(parseEnv(line)).not.toEqual({ A: byCompose })
      expect(example).toContain('single quotes')
    },
  )
})

describe('a stop', () => {
  /** Closing what is open after the grace takes at most two seconds more. */
  const CLOSES_WITHIN_S = 2
  const ofImage = /STOP_GRACE_S=(\d+)/.exec(read('Dockerfile'))?.[1]

  test('ends before the killers come: docker stop after 10 s, Kubernetes after 30 s', () => {
    expect(Number(ofImage) + CLOSES_WITHIN_S).toBeLessThanOrEqual(10)
    expect(readConfig({}).stopGraceMs / 1_000 + CLOSES_WITHIN_S).toBeLessThan(30)
  })

  test('ends before compose kills, whose containers have the default', () => {
    const period = /stop_grace_period: (\d+)s/.exec(read('compose.yaml'))?.[1]
    expect(Number(period)).toBeGreaterThan(readConfig({}).stopGraceMs / 1_000 + CLOSES_WITHIN_S)
  })
})

test('the worker of compose reaches an engine on this machine', () => {
  const worker = /^ {2}worker:\n(?: {4}.*\n)+/m.exec(read('compose.yaml'))?.[0]
  expect(worker).toContain("extra_hosts: ['host.docker.internal:host-gateway']")
})
