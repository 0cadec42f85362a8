import { startGateway, testScene } from './scene.ts'
import type { Settings } from './scene.ts'

/** A gateway, and the test as its worker: it takes no message and writes what it likes. */
export async function jobScene(more: Settings = {}) {
  const scene = await testScene(more)
  await scene.channel.assertQueue(scene.settings.QUEUE_NAME, { durable: false })
  return { ...scene, gateway: await startGateway(scene.settings) }
}
