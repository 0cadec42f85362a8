import { ConfigError, gatewaySettingNames, readConfig } from '../src/config.ts'
import { readWorkerConfig, workerSettingNames } from '../worker-stub/config.ts'
import { startProgram } from './program.ts'
import { onStop, startServicesOrExit } from './services.ts'
import type { Lines, LogLine } from './lines.ts'

/** The whole stack for development: gateway and stub restart when their source changes. Until Ctrl-C. */
const say = (text: string): void => void process.stdout.write(`${text}\n`)

/** Settings given to `npm run dev`, or in .env, reach both programs. */
const given = Object.fromEntries(
  [...gatewaySettingNames, ...workerSettingNames]
    .map((name) => [name, process.env[name]] as const)
    .filter((entry): entry is [string, string] => entry[1] !== undefined),
)
checkFirst()
const services = await startServicesOrExit(say)
const settings: Record<string, string> = {
  // A restart must not wait for requests of the version before.
  STOP_GRACE_S: '0.2',
  // On servers given by address, the echo must not take other people's jobs.
  ...(!services.isPrivate && { QUEUE_NAME: 'protollm-dev', REDIS_PREFIX: 'protollm-dev' }),
  ...given,
  ...services.env,
}
for (const [name, value] of Object.entries(services.env)) say(`${name}=${value}`)
const gateway = startProgram('src/main.ts', settings, { watch: true })
const worker = startProgram('worker-stub/main.ts', settings, { watch: true })
print('gateway', gateway.log)
print('worker', worker.log)
gateway.log.onLine(({ msg, url }) => {
  if (msg === 'gateway.listening') say(`\n  Try it: ${String(url)}/docs   Ctrl-C ends it\n`)
  if (msg === 'gateway.start_failed') {
    say('\n  Another port: API_PORT=6673 npm run dev\n')
    void stop().then(() => process.exit(1))
  }
})
onStop(stop)

async function stop(): Promise<void> {
  await Promise.all([gateway.end('SIGTERM'), worker.end('SIGTERM')])
  await services.close()
}

/** Bad settings are told before anything is started. */
function checkFirst(): void {
  try {
    readConfig(given)
    readWorkerConfig(given)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
}

/** `12:00:01 gateway  http.request  status=200 ms=3`: for a person to read. */
function print(program: string, log: Lines): void {
  log.onLine((line: LogLine) => {
    const { level, time, msg, ...fields } = line
    const clock = String(time).slice(11, 19)
    const rest = Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    const mark = Number(level) >= 40 ? '!' : ' '
    say(`${clock} ${mark} ${program.padEnd(8)} ${msg}  ${rest.join(' ')}`)
  })
}
