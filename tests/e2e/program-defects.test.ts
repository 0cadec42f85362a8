import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { ROOT } from '../../dev/program.ts'

/** What a program says that runs these lines. */
function run(lines: string): { status: number | null; said: string } {
  const code = `import { configOrExit, logDefects } from './src/program.ts'
    import { createLog } from './src/telemetry/log.ts'
    ${lines}`
  const args = ['--import', 'tsx', '--input-type=module', '-e', code]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    encoding: 'utf8',
  })
  return { status, said: stdout + stderr }
}

test('an unexpected error of the settings is shown by its place and not by its text', () => {
  const { status, said } = run(`configOrExit(() => new URL('canary://u:canary@a b'))`)
  expect(status).toBe(1)
  expect(said).toContain('the settings could not be read\n    at ')
  expect(said).not.toContain('canary')
})

test.each([
  ['thrown', `queueMicrotask(() => { new URL('amqp://u:ca/nary@a b') })`],
  [
    'of the start',
    `await Promise.reject(Object.assign(new Error('amqp://u:can/ary@h'), { input: 'canary' }))`,
  ],
])('an error %s that nothing handles is one line in the log, without a login', (_, lines) => {
  const { status, said } = run(`logDefects(createLog('info')); ${lines}`)
  expect(status).toBe(1)
  expect(said.trimEnd().split('\n')).toHaveLength(1)
  const { msg, stack } = JSON.parse(said) as { msg: string; stack: string }
  expect(msg).toBe('program.crashed')
  expect(stack).toContain('at ')
  expect(said).not.toMatch(/canary|nary|ary@/)
})
