import { fileURLToPath } from 'node:url'
import { connect } from 'amqplib'
import { inject, onTestFinished } from 'vitest'
import { startCommand } from '../../../dev/program.ts'
import { eventually } from '../../support/eventually.ts'
import { tally } from './ask.ts'
import { report } from './report.ts'
import type { LogLine } from '../../../dev/lines.ts'
import type { Program } from '../../../dev/program.ts'
import type { Settings } from '../../support/scene.ts'
import type { Environment } from '../python.ts'
import type { Asked } from './ask.ts'

export const WORKERS = fileURLToPath(new URL('../workers', import.meta.url))

/** Python imports much, and the machine may be busy. */
const STARTS_WITHIN_MS = 30_000

export interface RealWorker extends Program {
  /** Waits until the model has begun with a content that starts so; returns the process it runs in. */
  readonly begun: (content: string) => Promise<number>
  /** Every content the model has begun with. */
  readonly started: () => string[]
  /** For the summary of the run. */
  readonly count: (asked: readonly Asked[]) => void
}

/** A Python program that consumes the queue, as the broker sees it. Killed after the test. */
export async function startRealWorker(
  environment: Environment,
  args: readonly string[],
  settings: Settings & { QUEUE_NAME: string },
  mode = '',
): Promise<RealWorker> {
  if ('missing' in environment) throw new Error(`not installed: ${environment.missing}`)
  let errors = ''
  const program = startCommand(environment.python, args, forPython(settings), {
    onError: (text) => (errors = (errors + text).slice(-4_000)),
  })
  onTestFinished(async () => {
    await program.end('SIGKILL')
  })
  const died = program.ended.then((how) => {
    throw new Error(`${args.join(' ')} ended with ${how}:\n${errors}`)
  })
  const consumes = untilConsumed(settings.QUEUE_NAME)
  const [who] = await Promise.race([
    Promise.all([program.log.until('program.starting', STARTS_WITHIN_MS), consumes]),
    died,
  ])
  const started = (): string[] =>
    program.log.named('model.started').map(({ content }) => String(content))
  return {
    ...program,
    started,
    begun: (content) => untilBegun(program, content),
    count: (asked) => count(who, tally(asked), mode),
  }
}

/** The whole environment of a real program. */
function forPython(settings: Settings): Settings {
  const rabbit = new URL(settings.CELERY_BROKER_URL ?? settings.RABBIT_MQ_URL ?? '')
  const redis = new URL(settings.CELERY_RESULT_BACKEND ?? settings.REDIS_URL ?? '')
  return {
    PYTHONPATH: WORKERS,
    PYTHONDONTWRITEBYTECODE: '1',
    REDIS_HOST: redis.hostname,
    REDIS_PORT: redis.port,
    RABBIT_MQ_HOST: rabbit.hostname,
    RABBIT_MQ_PORT: rabbit.port,
    RABBIT_MQ_LOGIN: rabbit.username,
    RABBIT_MQ_PASSWORD: rabbit.password,
    ...settings,
  }
}

async function untilConsumed(queue: string): Promise<void> {
  const connection = await connect(inject('services').RABBIT_MQ_URL)
  onTestFinished(() => connection.close())
  const look = async (): Promise<boolean> => {
    // To look for a queue that is not there closes the channel.
    const channel = await connection.createChannel()
    channel.on('error', () => {})
    const { consumerCount } = await channel.checkQueue(queue)
    await channel.close()
    return consumerCount > 0
  }
  await eventually(`a worker consumes ${queue}`, look, STARTS_WITHIN_MS)
}

function untilBegun(program: Program, content: string): Promise<number> {
  return eventually(`the model begins with ${content}`, () => {
    const isIt = (line: LogLine): boolean => String(line.content).startsWith(content)
    return program.log.named('model.started').find(isIt)?.pid as number | undefined
  })
}

/** For the summary: who this was, and what came of so many jobs. */
export function count(who: LogLine, outcomes: Readonly<Record<string, number>>, mode = ''): void {
  const packages = Object.entries(who.packages as Record<string, string>)
  const standIns = (who.stand_ins as string[]).map((name) => `a stand-in of ours for ${name}`)
  const others = [...packages.map((known) => known.join(' ')), ...standIns]
  report({
    kind: 'spoken',
    program: `${String(who.program)} ${String(who.version)}${mode && `, ${mode}`}`,
    runsOn: [`Python ${String(who.python)}`, ...others].join(', '),
    outcomes,
  })
}
