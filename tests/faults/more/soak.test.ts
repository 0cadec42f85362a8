import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from 'redis'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../../../dev/services/port.ts'
import { startGatewayProgram } from '../../support/program.ts'
import { LinkProxy } from '../../support/proxy.ts'
import { ownRabbitmq, ownRedis } from '../../support/servers.ts'
import { NO_HARM, nothingLeft, readyAgain, startFaultScene } from '../support/fault-scene.ts'
import type { LinkFault } from '../../support/proxy.ts'

const SEED = Number(process.env.FAULTS_SEED ?? Date.now() % 1_000_000)
const MINUTES = Number(process.env.FAULTS_MINUTES ?? 3)
/** As FAULTS.md has it: at least 300. */
const RATE_PER_S = Number(process.env.FAULTS_RATE ?? 320)
const EVERY_MS = 30_000

const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** mulberry32: the same faults in the same order from the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

async function openProxy(target: string): Promise<LinkProxy> {
  const proxy = new LinkProxy(target)
  await proxy.open()
  onTestFinished(() => proxy.close())
  return proxy
}

test(
  `F30 a random fault every 30 s for ${MINUTES} minutes under ${RATE_PER_S} requests a second`,
  async () => {
    say(`soak: seed ${SEED} (npm run test:faults -- --seed ${SEED} --minutes ${MINUTES})`)
    const [rabbitmq, redis] = [await ownRabbitmq(), await ownRedis()]
    onTestFinished(async () => {
      await rabbitmq.close()
      await rabbitmq.keeper.close()
    })
    const [brokerLink, redisLink, workerLink] = await Promise.all([
      openProxy(rabbitmq.url),
      openProxy(redis.url),
      openProxy(rabbitmq.url),
    ])
    const ports = [String(await freePort()), String(await freePort())]
    const servers = { RABBIT_MQ_URL: rabbitmq.url, REDIS_URL: redis.url }
    // One gateway's links can be broken, the other has its own way to the servers.
    const behindProxies = { RABBIT_MQ_URL: brokerLink.url, REDIS_URL: redisLink.url }
    const own = [
      { ...behindProxies, API_PORT: ports[0] },
      { ...servers, API_PORT: ports[1] },
    ]
    const scene = await startFaultScene({
      settings: { ...servers, TIMEOUT: '30', LOG_LEVEL: 'info' },
      workerSettings: { RABBIT_MQ_URL: workerLink.url },
      gateways: own as Record<string, string>[],
      ratePerS: RATE_PER_S,
      maxPending: 2_000,
      workMs: 100,
      workers: 2,
    })
    const admin = createClient({ url: redis.url })
    admin.on('error', () => {})
    await admin.connect()
    onTestFinished(() => admin.destroy())
    const random = randomFrom(SEED)
    const between = (from: number, to: number): number => from + random() * (to - from)

    const broken = async (link: LinkProxy, fault: LinkFault, ms: number): Promise<void> => {
      link.faults.toServer = fault
      link.faults.toClient = fault
      await delay(ms)
      link.faults.toServer = {}
      link.faults.toClient = {}
      // What was swallowed is not repeated: as after a partition, the connection is of no use any more.
      link.cut()
    }
    const restart = async (index: number, signal: NodeJS.Signals): Promise<void> => {
      await scene.gateways[index]?.end(signal)
      const settings = { ...scene.settings, ...own[index] }
      scene.gateways[index] = await startGatewayProgram(settings as Record<string, string>)
    }
    const paused = async (server: typeof redis, ms: number): Promise<void> => {
      server.pause()
      await delay(ms)
      server.resume()
    }
    const alarm = async (on: string[], off: string[]): Promise<void> => {
      await rabbitmq.control(...on)
      await delay(between(1_000, 6_000))
      await rabbitmq.control(...off)
    }
    const disk = 'set_disk_free_limit'
    const memory = 'set_vm_memory_high_watermark'
    let wipedAt = 0
    const faults: Record<string, () => Promise<void>> = {
      'F1 broker killed': async () => {
        await rabbitmq.kill()
        await rabbitmq.start()
      },
      'F2 broker frozen': () => paused(rabbitmq, between(2_000, 18_000)),
      'F3 memory alarm': () => alarm([memory, 'absolute', '1'], [memory, '0.4']),
      'F4 disk alarm': () => alarm([disk, '10000GB'], [disk, '50MB']),
      'F8 broker link reset': async () => brokerLink.cut(),
      'F8 broker link silent': () =>
        broken(brokerLink, { blackHole: true }, between(1_000, 12_000)),
      'F8 broker link slow': () => broken(brokerLink, { delayMs: 2_000 }, 5_000),
      'F8 Redis link reset': async () => redisLink.cut(),
      'F8 Redis link silent': () => broken(redisLink, { blackHole: true }, between(1_000, 8_000)),
      'F8 Redis link slow': () => broken(redisLink, { delayMs: 1_000 }, 5_000),
      'F9 Redis frozen': () => paused(redis, between(1_000, 8_000)),
      'F10 Redis killed, started empty': async () => {
        await redis.kill()
        await redis.start()
        wipedAt = performance.now()
      },
      'F11 subscribers killed every 100 ms': async () => {
        for (let kills = 0; kills < 50; kills += 1) {
          await admin.clientKill({ filter: 'TYPE', type: 'pubsub' }).catch(() => 0)
          await delay(100)
        }
      },
      'F12 notifications off': async () => {
        await admin.configSet('notify-keyspace-events', '').catch(() => {})
      },
      'F19 workers cut off': async () => workerLink.cut(),
      'F24 a gateway killed': () => restart(random() < 0.5 ? 0 : 1, 'SIGKILL'),
      'F25 gateways restarted one by one': async () => {
        await restart(0, 'SIGTERM')
        await restart(1, 'SIGTERM')
      },
    }
    const names = Object.keys(faults)
    const until = performance.now() + MINUTES * 60_000
    while (performance.now() < until - EVERY_MS / 2) {
      const began = performance.now()
      const name = names[Math.floor(random() * names.length)] as string
      say(`soak: ${Math.round((until - began) / 1000)} s left · ${name}`)
      await faults[name]?.()
      for (const { url } of scene.gateways) await readyAgain(url)
      const rest = Math.min(EVERY_MS - (performance.now() - began), until - performance.now())
      await delay(Math.max(2_000, rest))
    }
    const counts = await scene.settle({ answeredAfter: wipedAt })
    const { sent } = counts
    const rate = Math.round(sent / (MINUTES * 60))
    const by = async (source: string) =>
      `${source} ${await scene.counted(`gateway_result_wakeups_total{source="${source}"}`)}`
    const sources = await Promise.all(
      ['notification', 'armed_read', 'reconcile', 'deadline'].map(by),
    )
    const { codes, ...numbers } = counts
    say(`soak: ${rate} requests a second; ${JSON.stringify(numbers)}`)
    say(`soak: answers ${JSON.stringify(codes)}`)
    say(`soak: wake-ups since the last restart: ${sources.join(', ')}`)
    for (const { url } of scene.gateways) await nothingLeft(url)
    expect(counts).toMatchObject(NO_HARM)
    expect(rate).toBeGreaterThanOrEqual(300)
  },
  MINUTES * 60_000 + 300_000,
)
