#!/usr/bin/env node
import packageJson from '../package.json' with { type: 'json' }
import { configOrExit, logDefects, stopOnSignal, warnOfMisspelled } from '../src/program.ts'
import { RedisConnection } from '../src/redis/connection.ts'
import { createLog } from '../src/telemetry/log.ts'
import { Announcer } from './announcer.ts'
import { readWorkerConfig, workerSettingNames } from './config.ts'
import { echoEngine } from './engines/echo.ts'
import { openaiEngine } from './engines/openai.ts'
import { UpstreamModels } from './upstream-models.ts'
import { Worker } from './worker.ts'

const config = configOrExit(readWorkerConfig)
const log = createLog(config.logLevel)
logDefects(log)
warnOfMisspelled(log, workerSettingNames)
const redis = new RedisConnection(config.redisUrl, 'worker', log)
const subscriber = new RedisConnection(config.redisUrl, 'subscriber', log)
const engine = config.engine === 'openai' ? openaiEngine(config.openai) : echoEngine(config.echo)
const worker = new Worker({ ...config, redis, subscriber, engine, log })
const capabilities = ['verbatim', 'chat', 'completions', 'embeddings']
const upstream = new UpstreamModels({ ...config.openai, capabilities, log })
const echo = [{ name: 'echo', capabilities }]
const announcer = new Announcer({
  ...config,
  redis,
  version: packageJson.version,
  models: async () => {
    if (worker.isPaused) return []
    return config.engine === 'openai' ? upstream.current() : echo
  },
  running: () => worker.running,
  log,
})
for (const connection of [redis, subscriber]) connection.open()
await worker.open()
announcer.open()
stopOnSignal(log, async () => {
  // At once, and not after the jobs that still run: no gateway counts on this worker any more.
  await Promise.all([announcer.close(), worker.close(config.stopGraceMs)])
  for (const connection of [subscriber, redis]) connection.close()
})
