import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'

/** `npm run test:faults [-- --seed N --minutes M --only text]`: every fault, and the soak for so long. */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    minutes: { type: 'string' },
    only: { type: 'string' },
  },
})
const { seed, minutes, only } = values
const args = ['run', '--config', 'tests/vitest.config.ts', '--project', 'faults']
if (only !== undefined) args.push('-t', only)
const env = {
  ...process.env,
  FAULTS: 'all',
  ...(seed !== undefined && { FAULTS_SEED: seed }),
  ...(minutes !== undefined && { FAULTS_MINUTES: minutes }),
}
const vitest = spawn('node_modules/.bin/vitest', args, { stdio: 'inherit', env })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => vitest.kill(signal))
vitest.once('exit', (code, signal) => {
  process.exitCode = code ?? (signal === null ? 0 : 1)
})
