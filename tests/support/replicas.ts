import { startGatewayProgram } from './program.ts'
import type { GatewayProgram } from './program.ts'
import type { Settings } from './scene.ts'

/** Below those that the system gives to connections: it must be free again after each kill. */
const freePort = (): number => 20_000 + Math.floor(Math.random() * 12_000)

export interface Replicas {
  /** They stay the same over a kill. */
  readonly urls: readonly string[]
  /** Ends a replica with SIGKILL. */
  readonly kill: (index: number) => Promise<void>
  /** Starts a killed replica again. Resolves when it is ready. */
  readonly start: (index: number) => Promise<void>
}

/** Gateways as processes on the same queue and keys, which can be killed and started again. */
export async function startReplicas(settings: Settings, count: number): Promise<Replicas> {
  const port = freePort()
  const startAt = (index: number): Promise<GatewayProgram> =>
    startGatewayProgram({ ...settings, API_PORT: String(port + index) })
  const indexes = Array.from({ length: count }, (_, index) => index)
  const programs = await Promise.all(indexes.map(startAt))
  return {
    urls: indexes.map((index) => `http://127.0.0.1:${port + index}`),
    kill: async (index) => void (await programs[index]?.end('SIGKILL')),
    start: async (index) => void (programs[index] = await startAt(index)),
  }
}
