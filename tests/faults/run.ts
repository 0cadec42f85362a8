import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'

/** `npm run test:faults [-- --seed N --minutes M --only text]`: every fault, and the soak for so long. */
const USAGE = 'npm run test:faults [-- --seed N --minutes M --only F8]\n'

function readArguments() {
  const string = { type: 'string' } as const
  try {
    return parseArgs({ options: { seed: string, minutes: string, only: string } }).values
  } catch {
    process.stderr.write(USAGE)
    return process.exit(2)
  }
}

const { seed, minutes, only } = readArguments()
const args = ['run', '--config', 'tests/vitest.config.ts', '--project', 'faults']
// F1 is not F10.
if (only !== undefined) args.push('-t', `${only}(?!\\d)`)
const env = {
  ...process.env,
  TESTS: 'faults',
  ...(seed !== undefined && { FAULTS_SEED: seed }),
  ...(minutes !== undefined && { FAULTS_MINUTES: minutes }),
}
const vitest = spawn('node_modules/.bin/vitest', args, { stdio: 'inherit', env })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => vitest.kill(signal))
vitest.once('exit', (code, signal) => {
  process.exitCode = code ?? (signal === null ? 0 : 1)
})
