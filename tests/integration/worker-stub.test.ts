import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { LinkProxy } from '../support/proxy.ts'
import { cancelKey } from '../support/record.ts'
import { startWorker, workerScene } from '../support/worker-stub.ts'

describe('the stub', () => {
  test('echoes the run, and gives its result a time to live', async () => {
    const { settings, redis, key, send, result } = await workerScene()
    await startWorker({ ...settings, RESULT_TTL_S: '50' })
    send('f-1', 'run-1')
    expect(await result('f-1')).toMatchObject({ content: 'echo: x', run: 'run-1' })
    expect(await redis.ttl(key('f-1'))).toBeGreaterThan(40)
  })

  test('serves a gateway that knows no runs, over the value that is there', async () => {
    const { settings, redis, key, send } = await workerScene()
    await redis.set(key('f-2'), '{"content":"of an earlier job"}')
    await startWorker(settings)
    send('f-2')
    await eventually('it is replaced', async () =>
      (await redis.get(key('f-2')))?.includes('echo: x'),
    )
    expect(JSON.parse((await redis.get(key('f-2'))) ?? '')).not.toHaveProperty('run')
  })

  test('does not run what has been answered, cancelled, or belongs to an earlier run', async () => {
    const { settings, redis, key, claim, send, acknowledgedBy } = await workerScene()
    for (const id of ['f-3', 'f-4', 'f-5']) await claim(id).create('run-2')
    await redis.set(key('f-3'), '{"content":"first"}')
    await redis.set(cancelKey(key('f-4')), 'run-2')
    const { worker, log } = await startWorker(settings, { run: () => expect.unreachable() })
    send('f-3', 'run-2')
    send('f-4', 'run-2')
    send('f-5', 'run-1')
    await eventually('all three were looked at', () => log.named('job.skipped').length === 3)
    expect(log.named('job.skipped').map(({ reason }) => reason)).toEqual([
      'answered',
      'cancelled',
      'stale',
    ])
    await acknowledgedBy(worker)
    expect(await redis.get(key('f-3'))).toBe('{"content":"first"}')
  })

  test('drops a message it cannot read, and takes the next', async () => {
    const { settings, channel, send, result, acknowledgedBy } = await workerScene()
    const { worker } = await startWorker(settings)
    channel.sendToQueue(settings.QUEUE_NAME, Buffer.from('canary'))
    send('f-6', 'run-1')
    expect(await result('f-6')).toMatchObject({ content: 'echo: x' })
    await acknowledgedBy(worker)
  })

  test('a fault of the engine is a failed outcome, not a silence', async () => {
    const { settings, send, result } = await workerScene()
    const { log } = await startWorker(settings, {
      run: async () => {
        throw new Error('unforeseen')
      },
    })
    send('f-7', 'run-1')
    expect(await result('f-7')).toMatchObject({ error: { type: 'worker_error' } })
    expect(log.named('job.engine_failed')).toHaveLength(1)
  })

  test('keeps a finished outcome until Redis is back', async () => {
    const { settings, send, result, acknowledgedBy } = await workerScene()
    const proxy = new LinkProxy(inject('services').REDIS_URL)
    onTestFinished(() => proxy.close())
    const url = await proxy.open()
    const { worker, log } = await startWorker(
      { ...settings, REDIS_URL: url },
      {
        run: async () => {
          await proxy.close()
          return { kind: 'succeeded', content: 'costly' }
        },
      },
    )
    send('f-8', 'run-1')
    await log.until('redis.disconnected')
    await proxy.open(Number(new URL(url).port))
    expect(await result('f-8')).toMatchObject({ content: 'costly' })
    await log.until('job.done')
    await acknowledgedBy(worker)
  })

  test('consumes again after its link was cut and after its queue was deleted', async () => {
    const { settings, channel, send, result } = await workerScene()
    const proxy = new LinkProxy(inject('services').RABBIT_MQ_URL)
    onTestFinished(() => proxy.close())
    const { log } = await startWorker({ ...settings, RABBIT_MQ_URL: await proxy.open() })
    proxy.cut()
    await eventually('it consumes again', () => log.named('worker.consuming').length === 2)
    send('f-9', 'run-1')
    expect(await result('f-9')).toMatchObject({ content: 'echo: x' })
    await channel.deleteQueue(settings.QUEUE_NAME)
    await eventually('and again', () => log.named('worker.consuming').length === 3)
    send('f-10', 'run-1')
    expect(await result('f-10')).toMatchObject({ content: 'echo: x' })
  })

  test('stopping in the middle of a job leaves the job to another worker', async () => {
    const { settings, send, result } = await workerScene()
    let isRunning = false
    const { worker } = await startWorker(settings, {
      run: (_, signal) =>
        new Promise((_resolve, reject) => {
          isRunning = true
          signal.addEventListener('abort', () => reject(signal.reason as Error))
        }),
    })
    send('f-11', 'run-1')
    await eventually('it runs', () => isRunning)
    await worker.close(10)
    await startWorker(settings)
    expect(await result('f-11')).toMatchObject({ content: 'echo: x' })
  })
})
