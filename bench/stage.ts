import { ROOT } from '../dev/program.ts'
import { CHAT_MODEL } from './chat-request.ts'
import { Contenders, QUEUES } from './contenders.ts'
import { startGateway, startProcess } from './processes.ts'
import type { Services } from '../dev/services.ts'
import type { Options } from './options.ts'
import type { BenchProcess, Env, Gateway, Place } from './processes.ts'

/** What every section of the bench works with. */
export interface Stage {
  readonly services: Services
  readonly env: Env
  readonly worker: BenchProcess
  readonly client: BenchProcess
  readonly gateway: Gateway
  readonly contenders: Contenders
  /** Where further gateways of this checkout are started. */
  readonly here: Place
  readonly isCompared: boolean
  /** Of the pairs that have a bound against floor C. */
  readonly pairRounds: number
  /** Of everything else. */
  readonly rounds: number
  readonly roundMs: number
  readonly isSmoke: boolean
  readonly say: (line: string) => void
}

/** Rounds of rows that say what else there is, and are not held to 10 %. */
const CONTEXT_ROUNDS = 5
const ROUND_MS = 1_500
const SMOKE_ROUND_MS = 300
const WARM_UP_MS = 2_000
const SMOKE_WARM_UP_MS = 400

export async function setStage(
  services: Services,
  { against, rounds, isSmoke }: Options,
  { logs, say }: { readonly logs: string; readonly say: (line: string) => void },
): Promise<Stage> {
  const env = { ...services.env, ...SETTINGS }
  const here = { checkout: ROOT, logs }
  const [worker, client] = await Promise.all([
    startProcess('worker', { ...env, QUEUE_NAMES: QUEUES }),
    startProcess('client', env),
  ])
  // It also turns the notifications of Redis on, which the floors need as well.
  const gateway = await startGateway({ ...env, MODELS: `${CHAT_MODEL}=bench` }, here)
  const before = against === undefined ? undefined : { checkout: against, logs }
  const warmUpMs = isSmoke ? SMOKE_WARM_UP_MS : WARM_UP_MS
  return {
    services,
    env,
    worker,
    client,
    gateway,
    contenders: new Contenders({ env, client, gateway, before, warmUpMs, logs }),
    here,
    isCompared: before !== undefined,
    pairRounds: rounds,
    rounds: isSmoke ? 1 : Math.min(rounds, CONTEXT_ROUNDS),
    roundMs: isSmoke ? SMOKE_ROUND_MS : ROUND_MS,
    isSmoke,
    say,
  }
}

const SETTINGS = {
  QUEUE_NAME: 'bench',
  QUEUE_DURABLE: 'true',
  REDIS_PREFIX: 'bench',
  TIMEOUT: '120',
  // How soon a client's leaving stops the engine is measured without the time in which it may come back.
  LEAVE_GRACE_S: '0',
  // 10,000 requests are held, and a new one has to be taken.
  MAX_PENDING: '20000',
}
