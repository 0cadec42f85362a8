import { readFileSync, readdirSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { readConfig } from '../src/config.ts'
import { startServer } from '../src/server.ts'
import { createLog } from '../src/telemetry/log.ts'
import { ROOT, startProgram } from './program.ts'
import { startServicesOrExit } from './services.ts'

/**
 * The size of the run path, counted: `npx tsx dev/count.ts`. It prints the lines of each file, what
 * one pending job can change, and the files of `src` in which a request runs code.
 */
const ROOM = 'src/gateway/'
/** Files of the room that only follow or show a job, and those that know which models are served. */
const ASIDE = new Set([
  'event-log.ts',
  'delta-pieces.ts',
  'job-view.ts',
  'follower.ts',
  'model-directory.ts',
  'worker-table.ts',
  'known-models.ts',
])
/** The objects of one pending job. */
const JOB_FILES = ['pending-job.ts', 'waiters.ts', 'demand.ts', 'inbox.ts']

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const sourceOf = (file: string): string => readFileSync(`${ROOT}${ROOM}${file}`, 'utf8')

const COMMENT_OR_BLANK = /^\s*(\/\/.*|\/?\*.*)?$/

function countLines(): void {
  let [all, code] = [0, 0]
  for (const file of readdirSync(`${ROOT}${ROOM}`).filter((name) => !ASIDE.has(name))) {
    const lines = sourceOf(file).trimEnd().split('\n')
    const ofCode = lines.filter((line) => !COMMENT_OR_BLANK.test(line)).length
    all += lines.length
    code += ofCode
    say(`${file.padEnd(20)} ${lines.length} lines, ${ofCode} without comments and blank lines`)
  }
  say(`${'run path'.padEnd(20)} ${all} lines, ${code} without comments and blank lines\n`)
}

/** A field of a class that is not `readonly`, or that holds a collection. */
const FIELD =
  /^ {2}(?:#?\w+[?]?: .*|#\w+ = .*|readonly #\w+(?:: \w+\[\])? = (?:new (?:Map|Set)\b|\[).*)$/

function countFields(): void {
  const fields = JOB_FILES.flatMap((file) => {
    const [, ofClass = ''] = /\n(export class [^]*)/.exec(sourceOf(file)) ?? []
    return ofClass.split('\n').filter((line) => FIELD.test(line))
  })
  for (const field of fields) say(field)
  say(`${fields.length} mutable fields for a pending job\n`)
}

/** Runs one request on a warm gateway and prints the files of `src` whose functions it entered. */
async function countEntered(): Promise<void> {
  const services = await startServicesOrExit((line) => say(line))
  const settings = { ...services.env, API_PORT: '0', QUEUE_NAME: 'count', REDIS_PREFIX: 'count' }
  const worker = startProgram('worker-stub/main.ts', settings)
  const gateway = await startServer(readConfig(settings), createLog('info', { write() {} }))
  const session = new Session()
  session.connect()
  try {
    while (!(await fetch(`${gateway.url}/readyz`)).ok) await delay(50)
    for (const id of ['warm-1', 'warm-2']) await ask(gateway.url, id)
    await delay(1_500)
    await session.post('Profiler.enable')
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
    await session.post('Profiler.takePreciseCoverage')
    await ask(gateway.url, 'counted')
    const { result } = await session.post('Profiler.takePreciseCoverage')
    const entered = result.filter(
      ({ url, functions }) =>
        url.includes('/src/') &&
        !url.includes('/node_modules/') &&
        functions.some(({ ranges }) => ranges.some(({ count }) => count > 0)),
    )
    for (const { url } of entered) say(url.replace(/.*\/src\//, 'src/'))
    say(`${entered.length} files entered by a request`)
  } finally {
    await worker.end('SIGKILL')
    await gateway.close(0)
    await services.close()
  }
}

async function ask(url: string, jobId: string): Promise<void> {
  const response = await fetch(`${url}/generate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ job_id: jobId, meta: {}, content: 'What is AI?' }),
  })
  if (response.status !== 200) throw new Error(`the answer was a ${response.status}`)
  await response.text()
}

countLines()
countFields()
await countEntered()
process.exit()
