import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { LinkProxy } from '../../support/proxy.ts'
import { NO_HARM, readyAgain, startFaultScene, unready } from '../support/fault-scene.ts'
import type { LinkFault } from '../../support/proxy.ts'

type LinkName = 'RABBIT_MQ_URL' | 'REDIS_URL'

/** One gateway whose link to one server can be broken; the worker has its own way. */
async function scene(link: LinkName) {
  const proxy = new LinkProxy(inject('services')[link])
  const url = await proxy.open()
  onTestFinished(() => proxy.close())
  const settings = { TIMEOUT: '20' }
  const scene = await startFaultScene({ settings, gateways: [{ [link]: url }], ratePerS: 50 })
  return { ...scene, proxy, url: scene.gateways[0]?.url as string }
}

const BOTH: readonly LinkName[] = ['RABBIT_MQ_URL', 'REDIS_URL']
/** With the links on which jobs are refused meanwhile: a broker that confirms within 5 s is waited for. */
const FAULTS: readonly [
  name: string,
  toServer: LinkFault,
  toClient: LinkFault,
  refusedOn: readonly LinkName[],
][] = [
  ['reset', {}, {}, []],
  ['half-open: we are not heard', { blackHole: true }, {}, BOTH],
  ['half-open: we hear nothing', {}, { blackHole: true }, BOTH],
  ['a black hole', { blackHole: true }, { blackHole: true }, BOTH],
  ['2 s late', { delayMs: 2_000 }, { delayMs: 2_000 }, ['REDIS_URL']],
  ['cut into single bytes', { sliceBytes: 1 }, { sliceBytes: 1 }, []],
  ['down to 1 KB a second', { bytesPerS: 1_000 }, { bytesPerS: 1_000 }, BOTH],
]

describe.each(['RABBIT_MQ_URL', 'REDIS_URL'] as const)('F8 with the link of %s', (link) => {
  test.each(FAULTS)(
    '%s, nothing is lost, crossed or hung, and it is used again by itself',
    async (_, toServer, toClient, refusedOn) => {
      const { proxy, settle, url } = await scene(link)
      Object.assign(proxy.faults.toServer, toServer)
      Object.assign(proxy.faults.toClient, toClient)
      if (Object.keys({ ...toServer, ...toClient }).length === 0) proxy.cut()
      // Longer than a broker may owe a confirm.
      await delay(9_000)
      proxy.faults.toServer = {}
      proxy.faults.toClient = {}
      // What was swallowed is never repeated: as after a partition, that connection is of no use.
      proxy.cut()
      await readyAgain(url)
      await delay(1_000)
      const counts = await settle()
      expect(counts).toMatchObject(NO_HARM)
      // A handful may have been in the middle of their claim when the link was cut at the end.
      const wereRefused = counts.refused > 20
      expect(wereRefused).toBe(refusedOn.includes(link))
    },
    120_000,
  )
})

describe('F28 one link partitioned, and not the other', () => {
  test.each(['RABBIT_MQ_URL', 'REDIS_URL'] as const)(
    '%s: it is found by itself, refused meanwhile, and no other part is blamed',
    async (link) => {
      const { proxy, settle, url, counted } = await scene(link)
      const hole = { blackHole: true }
      proxy.faults.toServer = hole
      proxy.faults.toClient = hole
      await unready(url)
      const { parts } = (await (await fetch(`${url}/readyz`)).json()) as {
        parts: { name: string; ready: boolean }[]
      }
      const isReady = Object.fromEntries(parts.map(({ name, ready }) => [name, ready]))
      const isBroker = link === 'RABBIT_MQ_URL'
      expect(isReady).toMatchObject({ broker: !isBroker, redis: isBroker })
      await delay(5_000)
      proxy.faults.toServer = {}
      proxy.faults.toClient = {}
      proxy.cut()
      await readyAgain(url)
      const counts = await settle()
      expect(counts).toMatchObject(NO_HARM)
      const reason = isBroker ? 'broker_down' : 'results_down'
      expect(await counted(`gateway_rejected_total{reason="${reason}"}`)).toBeGreaterThan(0)
    },
    120_000,
  )
})
