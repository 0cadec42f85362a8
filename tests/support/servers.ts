import { afterAll, beforeAll, onTestFinished } from 'vitest'
import { Keeper } from '../../dev/services/keeper.ts'
import { findRabbitmq, findRedis, startRabbitmq, startRedis } from '../../dev/services/native.ts'
import type { Server } from '../../dev/services/server.ts'

/** A Redis of the test's own, to be misconfigured or stopped; gone after the test. */
export async function ownRedis(...args: readonly string[]): Promise<Server> {
  const program = findRedis()
  if (program === undefined) throw new Error('this test needs redis-server on this machine')
  const keeper = new Keeper()
  const start = (): Promise<Server> => startRedis(program, keeper, args)
  // Another program may have taken its port between the search and the start.
  const redis = await start().catch(start)
  onTestFinished(async () => {
    await redis.close()
    await keeper.close()
  })
  return redis
}

/** A RabbitMQ of the test's own, to be killed and frozen; the test that starts it closes it and its keeper. */
export async function ownRabbitmq(
  moreConf: readonly string[] = [],
): Promise<Server & { readonly keeper: Keeper }> {
  const script = findRabbitmq()
  if (script === undefined) throw new Error('this test needs rabbitmq-server on this machine')
  const keeper = new Keeper()
  const start = (): Promise<Server> => startRabbitmq(script, keeper, moreConf)
  return { ...(await start().catch(start)), keeper }
}

/** Its start alone may take two minutes on a busy machine, and each call of its tool some seconds. */
const STARTS_AND_IS_PREPARED_MS = 240_000

/** One for all tests of a file, because it takes long to start; `prepare` is run once. `conf`: lines of its configuration. */
export function rabbitmqOfFile(
  prepare: (server: Server) => Promise<void> = async () => {},
  conf: () => Promise<readonly string[]> = async () => [],
): () => Server {
  let rabbitmq: Awaited<ReturnType<typeof ownRabbitmq>>
  beforeAll(async () => {
    rabbitmq = await ownRabbitmq(await conf())
    await prepare(rabbitmq)
  }, STARTS_AND_IS_PREPARED_MS)
  afterAll(async () => {
    await rabbitmq.close()
    await rabbitmq.keeper.close()
  })
  return () => rabbitmq
}
