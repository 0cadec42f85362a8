#!/usr/bin/env node
import { collectDefaultMetrics } from 'prom-client'
import packageJson from '../package.json' with { type: 'json' }
import { gatewaySettingNames, readConfig } from './config.ts'
import { configOrExit, logDefects, stopOnSignal, warnOfMisspelled } from './program.ts'
import { startServer } from './server.ts'
import { createLog, errorFields } from './telemetry/log.ts'
import { createMetrics } from './telemetry/metrics.ts'

const config = configOrExit(readConfig)
const log = createLog(config.logLevel)
logDefects(log)
warnOfMisspelled(log, gatewaySettingNames)
const metrics = createMetrics()
collectDefaultMetrics({ register: metrics.registry })
const server = await startServer(config, log, metrics).catch((error: unknown) => {
  log.fatal(startFields(error), 'gateway.start_failed')
  return process.exit(1)
})
const { dialect, queues } = config
const { version } = packageJson
log.info({ url: server.url, version, dialect: dialect.name, queues }, 'gateway.listening')
stopOnSignal(log, () => server.close(config.stopGraceMs))

/** The system names the address that it cannot listen on, and not the setting that it comes from. A port in use is no wrong setting. */
function startFields(error: unknown): { error: string } {
  const { syscall, code } = error as { syscall?: string; code?: string }
  const { host, port } = config.http
  if (code === 'EADDRINUSE') return { error: `port ${port} of ${host} is already in use` }
  const isOfListen = syscall === 'listen' || syscall === 'getaddrinfo'
  return isOfListen
    ? { error: `API_HOST and API_PORT are no address to listen on: ${code}` }
    : errorFields(error)
}
