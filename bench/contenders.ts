import { freePort } from '../dev/services/port.ts'
import { CHAT_MODEL, CHAT_PATH } from './chat-request.ts'
import { PeerMissing, isPeer, startPeer } from './peers.ts'
import { startGateway, startProcess } from './processes.ts'
import type { Load } from './load.ts'
import type { PeerName } from './peers.ts'
import type { BenchProcess, Env, Gateway, Place } from './processes.ts'

/** Ways to answer prompts: as an HTTP server that the client asks, or as a loop that asks itself. */
const WAYS = {
  A: 'loop',
  B: 'loop',
  'direct reply-to': 'loop',
  'C with scripts': 'server',
  'bare Hono': 'server',
  predecessor: 'server',
  'poll 10 ms': 'server',
  'poll 100 ms': 'server',
} as const

type Way = keyof typeof WAYS

/** Surfaces of the gateway beside the plain one, by the paths that the client posts to. */
const SURFACE_PATHS = { 'POST /jobs': '/jobs', '/v1 chat': CHAT_PATH } as const

type SurfaceName = keyof typeof SURFACE_PATHS

/**
 * What is measured: the gateway on its surfaces, the build of another checkout
 * before it, floor C, other ways, and what others have made.
 */
export type ContenderName = 'gateway' | SurfaceName | Before | 'C' | Way | PeerName

/** The other build, on the plain surface and for chat completions. */
type Before = 'before' | '/v1 before'

export interface Contender {
  readonly name: ContenderName
  readonly pid: number
  /** The process that sends: the client over HTTP, or the contender itself. */
  readonly sender: BenchProcess
  readonly url?: string
  readonly headers?: Load['headers']
  end(): Promise<void>
}

/** Where the client of a contender sends its requests; nothing for one that asks itself. */
export const targetOf = ({ url, headers }: Contender): Pick<Load, 'url' | 'headers'> => ({
  ...(url !== undefined && { url }),
  ...(headers !== undefined && { headers }),
})

/**
 * The queue of a contender, and the prefix of its keys. Two builds may write
 * different records, and floor A hears of every key under its prefix.
 */
function queueOf(name: ContenderName): string {
  if (isBefore(name)) return 'bench-before'
  return name === 'A' ? 'bench-a' : 'bench'
}

const isBefore = (name: ContenderName): name is Before => name === 'before' || name === '/v1 before'

const isSurface = (name: ContenderName): name is SurfaceName => Object.hasOwn(SURFACE_PATHS, name)

/** All queues that the worker has to serve. */
export const QUEUES = ['bench', 'bench-before', 'bench-a'].join(',')

export interface Cast {
  readonly env: Env
  readonly client: BenchProcess
  readonly gateway: Gateway
  /** Of the build to compare with; undefined without `--against`. */
  readonly before: Place | undefined
  readonly warmUpMs: number
  /** A directory for the logs of what is started. */
  readonly logs: string
}

/** Starts each contender when it is first asked for, and warms it up: code that is cold is slow. */
export class Contenders {
  readonly #cast: Cast
  readonly #started = new Map<ContenderName, Promise<Contender>>()

  constructor(cast: Cast) {
    this.#cast = cast
  }

  async get(...names: readonly ContenderName[]): Promise<Contender[]> {
    const contenders: Contender[] = []
    for (const name of names) {
      if (!this.#started.has(name)) this.#started.set(name, this.#start(name))
      contenders.push(await (this.#started.get(name) as Promise<Contender>))
    }
    return contenders
  }

  /** A contender that has been measured must not disturb what follows. */
  async end(...names: readonly ContenderName[]): Promise<void> {
    const contenders = await this.get(...names)
    for (const name of names) this.#started.delete(name)
    await Promise.all(contenders.map((contender) => contender.end()))
  }

  async #start(name: ContenderName): Promise<Contender> {
    const contender = await this.#startCold(name)
    const load = { ...targetOf(contender), concurrency: 16, ms: this.#cast.warmUpMs }
    const { right } = await contender.sender.measure(load)
    if (isPeer(name) && right === 0) {
      await contender.end()
      throw new PeerMissing('gave no right answer')
    }
    return contender
  }

  async #startCold(name: ContenderName): Promise<Contender> {
    const { env, client, gateway, before, logs } = this.#cast
    const own = { ...env, QUEUE_NAME: queueOf(name), REDIS_PREFIX: queueOf(name) }
    if (name === 'gateway') return { ...gateway, name, sender: client }
    if (isSurface(name)) {
      return { ...gateway, name, sender: client, url: `${gateway.url}${SURFACE_PATHS[name]}` }
    }
    if (isPeer(name)) return { ...(await startPeer(name, logs)), name, sender: client }
    if (!isBefore(name)) return this.#startProcess(name, own)
    if (before === undefined) throw new Error('there is no build to compare with')
    const models = name === '/v1 before' && { MODELS: `${CHAT_MODEL}=${own.QUEUE_NAME}` }
    const other = await startGateway({ ...own, ...models }, before)
    const url = name === '/v1 before' ? other.url + CHAT_PATH : other.url
    return { ...other, url, name, sender: client }
  }

  async #startProcess(name: 'C' | Way, env: Env): Promise<Contender> {
    if (name !== 'C' && WAYS[name] === 'loop') {
      const loop = await startProcess('competitor', { ...env, WAY: name })
      return { name, pid: loop.pid, sender: loop, end: () => loop.end() }
    }
    const port = String(await freePort())
    const program = name === 'C' ? 'floor-c' : 'competitor'
    const server = await startProcess(program, { ...env, WAY: name, PORT: port })
    const url = `http://127.0.0.1:${port}`
    return { name, pid: server.pid, sender: this.#cast.client, url, end: () => server.end() }
  }
}
