import { eventually } from '../../support/eventually.ts'
import { fixture } from '../../dialects/conformance.ts'
import { post } from '../../support/http-client.ts'
import { freshSettings, startGateway, testChannel, testRedis } from '../../support/scene.ts'
import type { Settings } from '../../support/scene.ts'

interface Captured {
  /** A key's value, or where it was captured with a time to live, an object with it. */
  readonly redis_after_work: Record<string, string | { value: string }>
}

/**
 * What holds also where a worker cannot be installed: what it once wrote is
 * written again, key by key, for a job that was asked for. `keyOf` gives a
 * captured key the prefix of this test. Returns the gateway's answer.
 */
export async function answerFromCapture(
  dialect: string,
  keyOf: (captured: string, settings: Settings) => string,
  settings: Settings & { QUEUE_NAME: string } = freshSettings(),
) {
  const captured = fixture<Captured>(`${dialect}/captured.json`)
  const [redis, channel] = await Promise.all([testRedis(), testChannel()])
  const gateway = await startGateway({ ...settings, DIALECT: dialect })
  const asked = post(gateway.url, '/generate', { job_id: '12345', meta: {}, content: 'x' })
  await eventually('the job is in the queue', async () => {
    const { messageCount } = await channel.checkQueue(settings.QUEUE_NAME)
    return messageCount === 1
  })
  for (const [key, value] of Object.entries(captured.redis_after_work)) {
    if (!key.endsWith('12345') || key.startsWith('prompt:')) continue
    await redis.set(keyOf(key, settings), typeof value === 'string' ? value : value.value)
  }
  return asked
}
