import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ROOT, startCommand } from '../dev/program.ts'
import { freePort } from '../dev/services/port.ts'
import { CHAT_PATH } from './chat-request.ts'
import { installLiteLlm, installPortkey } from './peers-install.ts'
import { startProcess } from './processes.ts'
import type { Program } from '../dev/program.ts'
import type { Load } from './load.ts'
import type { Installed } from './peers-install.ts'
import type { Env } from './processes.ts'

/** Gateways of the OpenAI API that others have made. They have no queue. */
interface Peer {
  readonly install: (say: (line: string) => void) => Promise<Installed>
  /** The command, for a port of its own. */
  readonly command: (program: string, port: string) => readonly [string, ...string[]]
  readonly health: string
  readonly env: (upstream: string) => Env
  readonly headers: (upstream: string) => Load['headers']
}

const LITELLM_CONFIG = join(ROOT, 'bench/litellm-config.yaml')

/** As their documentation starts them, and with as many processes as it recommends for two cores. */
const PEERS = {
  LiteLLM: {
    install: installLiteLlm,
    command: (program, port) => {
      const address = ['--host', '127.0.0.1', '--port', port]
      return [program, '--config', LITELLM_CONFIG, '--num_workers', '2', ...address]
    },
    health: '/health/liveliness',
    env: (upstream) => ({
      UPSTREAM_URL: upstream,
      LITELLM_LOCAL_MODEL_COST_MAP: 'True',
      LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY: 'true',
      PYTHONDONTWRITEBYTECODE: '1',
    }),
    headers: () => ({ authorization: 'Bearer sk-1234' }),
  },
  Portkey: {
    install: installPortkey,
    command: (program, port) => [process.execPath, program, '--headless', `--port=${port}`],
    health: '/',
    env: () => ({}),
    headers: (upstream) => ({
      authorization: 'Bearer none',
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': upstream,
    }),
  },
} satisfies Record<string, Peer>

export type PeerName = keyof typeof PEERS

export const PEER_NAMES = Object.keys(PEERS) as PeerName[]

export const isPeer = (name: string): name is PeerName => Object.hasOwn(PEERS, name)

/** Python imports much: LiteLLM takes half a minute on a busy machine. */
const STARTS_WITHIN_MS = 120_000

/** Why a peer cannot be measured, for the report: what it does in place of answering. */
export class PeerMissing extends Error {}

/** A peer in front of an engine of its own that answers at once. Its log is written into `logs`. */
export async function startPeer(name: PeerName, logs: string) {
  const peer: Peer = PEERS[name]
  const installed = await peer.install((line) => void process.stdout.write(`# ${line}\n`))
  if ('missing' in installed) throw new PeerMissing(`cannot be installed: ${installed.missing}`)
  const [enginePort, port] = [String(await freePort()), String(await freePort())]
  const engine = await startProcess('instant-engine', { PORT: enginePort })
  const upstream = `http://127.0.0.1:${enginePort}/v1`
  const url = `http://127.0.0.1:${port}`
  const logFile = join(logs, `${name}.log`)
  const command = peer.command(installed.program, port)
  // Its log goes into a file, as ours does: no process of the bench has to read it.
  const intoFile = ['-c', 'exec "$@" >"$0" 2>&1', logFile, ...command]
  const program = startCommand('sh', intoFile, peer.env(upstream))
  const end = async (): Promise<void> => {
    await program.end('SIGKILL')
    await engine.end()
  }
  await untilHealthy(program, url + peer.health).catch(async (error: unknown) => {
    await end()
    throw new PeerMissing(
      `${(error as Error).message}: ${readFileSync(logFile, 'utf8').slice(-300)}`,
    )
  })
  return {
    pid: program.pid,
    url: url + CHAT_PATH,
    headers: peer.headers(upstream),
    end,
  }
}

async function untilHealthy({ ended }: Program, url: string): Promise<void> {
  let exit: number | string | undefined
  void ended.then((how) => (exit = how))
  const until = performance.now() + STARTS_WITHIN_MS
  for (;;) {
    const response = await fetch(url).catch(() => undefined)
    if (response?.ok) return
    if (exit !== undefined) throw new Error(`ended with ${exit} at its start`)
    if (performance.now() > until) throw new Error(`did not answer in ${STARTS_WITHIN_MS} ms`)
    await pause(100)
  }
}
