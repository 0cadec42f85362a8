import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readmeExamples } from '../../dev/examples.ts'
import { ROOT, startProgram } from '../../dev/program.ts'
import { freshSettings } from '../support/scene.ts'

const run = (directory: string, command: string, ...args: string[]): string =>
  execFileSync(command, args, {
    cwd: directory,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })

describe('what is shipped', () => {
  test('what the image holds runs by itself, without a package installed, and is at most 8 MB', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'package-test-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    // As the Dockerfile does it, in a clean directory.
    run(ROOT, 'npm', 'run', 'build')
    for (const name of ['package.json', 'dist']) {
      cpSync(join(ROOT, name), join(directory, name), { recursive: true })
    }
    expect(bytesIn(directory)).toBeLessThan(8_000_000)
    const licenses = readFileSync(join(directory, 'dist/LICENSES.txt'), 'utf8')
    for (const name of ['hono', 'amqplib', 'redis', 'valibot', 'pino', 'prom-client']) {
      expect(licenses).toMatch(new RegExp(`^${name} \\d`, 'm'))
    }

    const gateway = startProgram(join(directory, 'dist/src/main.js'), freshSettings())
    onTestFinished(async () => {
      await gateway.end('SIGKILL')
    })
    const { url } = (await gateway.log.until('gateway.listening')) as unknown as { url: string }
    await gateway.log.until('push.ready')
    const bundle = await fetch(`${url}/docs/swagger-ui-bundle.js`)
    expect(Number(bundle.headers.get('content-length'))).toBeGreaterThan(1_000_000)
    expect(await gateway.end('SIGTERM')).toBe(0)

    const worker = startProgram(join(directory, 'dist/worker-stub/main.js'), freshSettings())
    await worker.log.until('worker.consuming')
    expect(await worker.end('SIGTERM')).toBe(0)
  }, 180_000)

  test('README’s requests are those the demo sends, and the gateway’s own schema takes them', async () => {
    const { GenerateRequest, ChatRequest } =
      await import('../../src/http/protollm/protollm-routes.ts')
    const { validate } = await import('../../src/http/native/job-request.ts')
    const schemas = { '/generate': GenerateRequest, '/chat_completion': ChatRequest }
    const examples = readmeExamples()
    expect(examples.map(({ path }) => path)).toEqual(Object.keys(schemas))
    for (const { path, body } of examples) {
      const schema = schemas[path as keyof typeof schemas]
      expect(validate(schema, JSON.parse(body))).toHaveProperty('value')
    }
    expect(
      readFileSync(join(ROOT, 'README.md'), 'utf8').match(/^curl localhost\S+ -H 'content-type/gm),
    ).toHaveLength(2)
  })

  test('the demo keeps its promises and leaves nothing', () => {
    const directory = mkdtempSync(join(tmpdir(), 'demo-test-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const { PATH, HOME } = process.env
    const output = execFileSync('npm', ['run', 'demo'], {
      cwd: ROOT,
      encoding: 'utf8',
      env: { PATH, HOME, TMPDIR: directory, SERVICES_INSTALL: 'never' },
    })
    expect(output).toContain('All as promised')
    const left = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    expect(left.filter((name) => name.startsWith('protollm'))).toEqual([])
  }, 120_000)
})

function bytesIn(path: string): number {
  const { size } = statSync(path)
  if (!statSync(path).isDirectory()) return size
  return readdirSync(path).reduce((sum, name) => sum + bytesIn(join(path, name)), 0)
}
