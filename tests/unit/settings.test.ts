import { readFileSync } from 'node:fs'
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
