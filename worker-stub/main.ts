#!/usr/bin/env node
import { configOrExit, logDefects, stopOnSignal } from '../src/program.ts'
import { RedisConnection } from '../src/redis/connection.ts'
import { createLog } from '../src/telemetry/log.ts'
import { readWorkerConfig } from './config.ts'
import { echoEngine } from './engines/echo.ts'
import { openaiEngine } from './engines/openai.ts'
import { Worker } from './worker.ts'

const config = configOrExit(readWorkerConfig)
const log = createLog(config.logLevel)
logDefects(log)
const redis = new RedisConnection(config.redisUrl, 'worker', log)
const subscriber = new RedisConnection(config.redisUrl, 'subscriber', log)
const engine = config.engine === 'openai' ? openaiEngine(config.openai) : echoEngine(config.echo)
const worker = new Worker({ ...config, redis, subscriber, engine, log })
for (const connection of [redis, subscriber]) connection.open()
await worker.open()
stopOnSignal(log, async () => {
  await worker.close(config.stopGraceMs)
  for (const connection of [subscriber, redis]) connection.close()
})
