import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../dev/program.ts'
import { onStop, startServicesOrExit } from '../dev/services.ts'
import { endAll, startGateway, startTold } from './processes.ts'
import { measureCommands, measureHeld, measureIdle, measureReplicas } from './footprint.ts'
import { measureStreams } from './streams.ts'
import { measureDelays, measureLoops, measureOpenLoop } from './speed.ts'
import { bounds, report, worst } from './report.ts'
import type { Stage } from './speed.ts'

/** `npm run bench [-- --smoke]`: see BENCH.md for what is measured and how. */
const isSmoke = process.argv.includes('--smoke')
const rounds = isSmoke ? 1 : Number(process.env.BENCH_ROUNDS ?? 5)
const roundMs = isSmoke ? 400 : Number(process.env.BENCH_ROUND_MS ?? 3_000)
const say = (line: string): void => void process.stdout.write(`${line}\n`)

execFileSync(process.execPath, ['--import', 'tsx', join(ROOT, 'dev/build.ts')], {
  cwd: ROOT,
  stdio: 'inherit',
})
const services = await startServicesOrExit((line) => say(`# ${line}`))
const directory = mkdtempSync(join(tmpdir(), 'protollm-bench-'))
const close = async (): Promise<void> => {
  await endAll()
  await services.close()
  rmSync(directory, { recursive: true, force: true })
}
onStop(close)

const env = {
  ...services.env,
  QUEUE_NAME: 'bench',
  QUEUE_DURABLE: 'true',
  REDIS_PREFIX: 'bench',
  TIMEOUT: '120',
  // 10,000 are held, and a new one is to be taken.
  MAX_PENDING: '20000',
}
await services.redis.control('config', 'set', 'notify-keyspace-events', 'K$gt')
const [worker, client] = await Promise.all([
  startTold('worker.ts', env),
  startTold('client.ts', env),
])
const gateway = await startGateway(env, directory)
const stage: Stage = { env, worker, client, gateway, rounds, roundMs, isSmoke, say }

const loops = await measureLoops(stage)
const openLoop = await measureOpenLoop(stage, loops)
const delays = await measureDelays(stage)
const commands = await measureCommands(stage)
const streams = await measureStreams(stage, directory)
const held = await measureHeld(stage)
const replicas = await measureReplicas(stage, directory)
const idle = await measureIdle(stage, directory)
const results = { loops, openLoop, delays, commands, streams, held, replicas, idle }
const figures = bounds(results)
const text = report(results, figures, { rounds, roundMs })
say(text)
if (!isSmoke) {
  writeFileSync(join(ROOT, 'BENCH.md'), text)
  writeFileSync(join(ROOT, 'bench.json'), `${JSON.stringify({ figures, results }, null, 2)}\n`)
}
await close()
// A smoke run is too short to be exact: it fails where something is off by a multiple.
if (isSmoke && worst(figures) > 10) {
  say(`a figure is off by a factor of ${worst(figures).toFixed(1)}`)
  process.exitCode = 1
}
process.exit()
