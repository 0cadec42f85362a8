import { gatewaySettingNames } from '../src/config.ts'
import { workerSettingNames } from '../worker-stub/config.ts'
import { startProgram } from './program.ts'
import { startServices } from './services.ts'
import type { Lines, LogLine } from './lines.ts'

/** The whole stack for development: gateway and stub restart when their source changes. Until Ctrl-C. */
const say = (text: string): void => void process.stdout.write(`${text}\n`)

say('Starting RabbitMQ and Redis (about 10 s)')
const services = await startServices(say)
for (const [name, value] of Object.entries(services.env)) say(`${name}=${value}`)

/** Settings given to `npm run dev` reach both programs. */
const given = Object.fromEntries(
  [...gatewaySettingNames, ...workerSettingNames]
    .map((name) => [name, process.env[name]] as const)
    .filter((entry): entry is [string, string] => entry[1] !== undefined),
)
// A short grace: a restart must not wait for requests of the version before.
const settings = { STOP_GRACE_S: '0.2', ...given, ...services.env }
const gateway = startProgram('src/main.ts', settings, { watch: true })
const worker = startProgram('worker-stub/main.ts', settings, { watch: true })
print('gateway', gateway.log)
print('worker', worker.log)
gateway.log.onLine(({ msg, url }) => {
  if (msg === 'gateway.listening') say(`\n  Try it: ${String(url)}/docs   Ctrl-C ends it\n`)
})

let isStopping = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (isStopping) return
    isStopping = true
    void Promise.all([gateway.end('SIGTERM'), worker.end('SIGTERM')])
      .then(() => services.close())
      .then(() => process.exit(0))
  })
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
