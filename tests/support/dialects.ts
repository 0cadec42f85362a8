import { claimRecord } from './record.ts'
import { freshSettings, startGateway, testScene } from './scene.ts'
import type { DialectName } from '../../src/dialects/index.ts'
import type { Settings } from './scene.ts'

/** Keys and ids of the test's own, whichever dialect is spoken: not all of them have a prefix. */
export function dialectSettings(dialect: DialectName) {
  const fresh = freshSettings()
  const { REDIS_PREFIX: prefix } = fresh
  return {
    ...fresh,
    DIALECT: dialect,
    REDIS_PREFIX_FOR_STATUS: `${prefix}-status`,
    REDIS_PREFIX_FOR_ANSWER: `${prefix}-answer`,
  }
}

/** A gateway that speaks the dialect, and the test as its worker: it takes no message and writes what it likes. */
export async function dialectScene(dialect: DialectName, more: Settings = {}) {
  const settings = { ...dialectSettings(dialect), ...more }
  const { REDIS_PREFIX_FOR_STATUS: status, REDIS_PREFIX_FOR_ANSWER: answer } = settings
  const [scene, gateway] = await Promise.all([testScene(settings), startGateway(settings)])
  const { redis, channel, depth, take } = scene
  const statusKey = (id: string): string => `${status}:${id}`
  const metaKey = (id: string): string => `celery-task-meta-${id}`
  /** The key that holds the end of a job. The claim's key is made from it. */
  const resultKeys = {
    'protollm-v1': scene.key,
    'protollm-v1.1': statusKey,
    'celery-v2': metaKey,
  } satisfies Record<DialectName, unknown>
  return {
    settings,
    redis,
    channel,
    depth,
    take,
    gateway,
    claim: (id: string) => claimRecord(redis, resultKeys[dialect](id)),
    /** An id that no other test has. */
    id: (name: string): string => `${settings.REDIS_PREFIX}-${name}`,
    statusKey,
    answerKey: (id: string): string => `${answer}:${id}`,
    metaKey,
  }
}
