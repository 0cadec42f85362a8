import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { closedGate } from '../support/gate.ts'
import {
  echoAt,
  redisProxy,
  speaker,
  startWorker,
  untilAborted,
  workerScene,
} from '../support/worker-stub.ts'

describe('the stub streams', () => {
  test('what its engine says, cut anywhere, before the result and with a time to live', async () => {
    const { settings, redis, streamKey, send, result, entries, said } = await workerScene()
    const content = 'naïve «ы» 漢字 👩‍👩‍👧 🏳️‍🌈\n\n\u0000 end 🙂'
    const units = speaker(async (say) => {
      let spoken = ''
      for (const unit of content.split('')) {
        // So that entries end in the middle of a character, too: of its second half there is nothing to see yet.
        const { length } = spoken.replace(/[\ud800-\udbff]$/, '')
        if (spoken.length % 3 === 0) {
          await eventually('it is written', async () => (await said('w-1')).length === length)
        }
        say(unit)
        spoken += unit
      }
      return content
    })
    await startWorker({ ...settings, RESULT_TTL_S: '50' }, units)
    send('w-1', 'run-1')
    expect(await result('w-1')).toEqual({ content, run: 'run-1' })
    expect(await said('w-1')).toBe(content)
    const written = await entries('w-1')
    expect(written.length).toBeGreaterThan(5)
    const ofRun = written.map(({ text }) => ({ text, run: 'run-1' }))
    expect(written).toEqual(ofRun)
    expect(await redis.ttl(streamKey('w-1'))).toBeGreaterThan(40)
  })

  test('the server’s chunks beside their text, also where they have none', async () => {
    const { settings, send, result, entries } = await workerScene()
    await startWorker(settings, {
      run: async (_, __, onDelta) => {
        onDelta('', '{"a":1.0}')
        await eventually('it is written', async () => (await entries('w-12')).length === 1)
        onDelta('x', '{"b":2}')
        onDelta('y', '{"c":3}')
        return { kind: 'succeeded', content: 'xy' }
      },
    })
    send('w-12', 'run-1')
    await result('w-12')
    const written = await entries('w-12')
    const chunks = written.flatMap((entry) => JSON.parse(entry.chunks ?? '[]') as unknown[])
    expect(written[0]).toEqual({ text: '', chunks: '[{"a":1.0}]', run: 'run-1' })
    expect(chunks).toEqual([{ a: 1 }, { b: 2 }, { c: 3 }])
    expect(written.map(({ text }) => text).join('')).toBe('xy')
  })

  test('to the last half of a character', async () => {
    const { settings, send, result, said } = await workerScene()
    const cut = '🙂 cut 🙂'.slice(0, -1)
    await startWorker(
      settings,
      speaker(async (say) => {
        say(cut)
        return cut
      }),
    )
    send('w-0', 'run-1')
    expect(await result('w-0')).toMatchObject({ content: cut })
    // UTF-8 has no halves: what stands in their place is no gap.
    expect(await said('w-0')).toBe('🙂 cut \uFFFD')
  })

  test('for longer than a stream is kept', async () => {
    const { settings, send, result, said } = await workerScene()
    await startWorker({ ...settings, RESULT_TTL_S: '1' }, echoAt(20))
    const content = 'word '.repeat(49)
    send('w-11', 'run-1', content)
    await result('w-11')
    expect(await said('w-11')).toBe(`echo: ${content}`)
  })

  test('every piece as it comes, each in an entry of its own, where they come slowly', async () => {
    const { settings, send, result, entries } = await workerScene()
    const pieces = Array.from({ length: 25 }, (_, index) => `${index} `)
    const slow = speaker(async (say) => {
      for (const [index, piece] of pieces.entries()) {
        say(piece)
        await eventually('it is written', async () => (await entries('w-12')).length === index + 1)
      }
      return pieces.join('')
    })
    await startWorker(settings, slow)
    send('w-12', 'run-1')
    await result('w-12')
    expect((await entries('w-12')).map(({ text }) => text)).toEqual(pieces)
  })

  test('the first piece at once, and then at most one entry in 10 ms', async () => {
    const { settings, send, result, entries, said } = await workerScene()
    await startWorker(settings, echoAt(1_000))
    const content = 'word '.repeat(999)
    const started = performance.now()
    send('w-2', 'run-1', content)
    expect(await result('w-2')).toMatchObject({ content: `echo: ${content}` })
    const ms = performance.now() - started
    const written = await entries('w-2')
    expect(written[0]?.text).toBe('echo: ')
    // The last one, with what is left at the end, need not wait.
    expect(written.length).toBeLessThanOrEqual(ms / 10 + 2)
    expect(await said('w-2')).toBe(`echo: ${content}`)
  })

  test('nothing for an engine that has its answer as a whole', async () => {
    const { settings, redis, streamKey, send, result } = await workerScene()
    await startWorker(settings)
    send('w-3', 'run-1')
    await result('w-3')
    expect(await redis.exists(streamKey('w-3'))).toBe(0)
  })

  test('without a run where the message names none', async () => {
    const { settings, send, result, entries } = await workerScene()
    await startWorker(settings, echoAt(1_000))
    send('w-4')
    await result('w-4')
    expect(await entries('w-4')).toEqual([{ text: 'echo: ' }, { text: 'x' }])
  })

  test('larger entries to a slow Redis, and one at a time', async () => {
    const { settings, send, result, entries, said } = await workerScene()
    const proxy = await redisProxy()
    const reply = closedGate()
    const speaking = speaker(async (say) => {
      proxy.faults.toClient = { until: reply.opened }
      say('one ')
      await eventually('it is written', async () => (await entries('w-5')).length === 1)
      // Each at a time at which it could be written, if the reply to the first were there.
      for (const piece of ['two ', 'three ', 'four ']) {
        await delay(15)
        say(piece)
      }
      await delay(15)
      reply.open()
      await eventually('all is written', async () => (await said('w-5')).endsWith('four '))
      return 'one two three four '
    })
    await startWorker({ ...settings, REDIS_URL: proxy.url }, speaking)
    send('w-5', 'run-1')
    await result('w-5')
    expect((await entries('w-5')).map(({ text }) => text)).toEqual(['one ', 'two three four '])
  })
})

describe('the attempt of a delta', () => {
  test('is the second one when the first worker was stopped, which says nothing more', async () => {
    const { settings, send, result, entries } = await workerScene()
    const cutOff = speaker(async (say, signal) => {
      say('half ')
      signal.addEventListener('abort', () => say('too late'))
      return untilAborted(signal)
    })
    const { worker, log } = await startWorker(settings, cutOff)
    send('w-6', 'run-1')
    await eventually('it streams', async () => (await entries('w-6')).length === 1)
    await worker.close(0)
    expect(log.named('job.given_back')).toHaveLength(1)
    expect(log.named('job.cancelled')).toEqual([])
    await startWorker(settings, echoAt(50))
    await result('w-6')
    expect(await entries('w-6')).toEqual([
      { text: 'half ', run: 'run-1' },
      { text: 'echo: ', run: 'run-1', attempt: '2' },
      { text: 'x', run: 'run-1', attempt: '2' },
    ])
  })

  test.each([
    ['one more than the last one of the same run', { run: 'run-1', attempt: '2' }, '3'],
    ['the first one behind another run’s', { run: 'run-0', attempt: '2' }, undefined],
    ['the second one behind a worker’s that begins at the same time', { run: 'run-1' }, '2'],
  ])('is %s', async (_, last, attempt) => {
    const { settings, redis, streamKey, send, result, entries } = await workerScene()
    const late = speaker(async (say) => {
      await redis.xAdd(streamKey('w-7'), '*', { text: 'x', ...last })
      say('mine')
      return 'mine'
    })
    await startWorker(settings, late)
    send('w-7', 'run-1')
    await result('w-7')
    const mine = { text: 'mine', run: 'run-1', ...(attempt !== undefined && { attempt }) }
    expect((await entries('w-7')).slice(1)).toEqual([mine])
  })
})

describe('deltas that cannot be written', () => {
  test('do not fail the job, are warned of once, and not quoted', async () => {
    const { settings, redis, streamKey, send, result } = await workerScene()
    await redis.set(streamKey('w-8'), 'no stream')
    const { log } = await startWorker(settings, echoAt(100))
    send('w-8', 'run-1', 'canary canary canary')
    expect(await result('w-8')).toMatchObject({ content: 'echo: canary canary canary' })
    expect(log.named('deltas.write_failed')).toHaveLength(1)
    expect(JSON.stringify(log.all)).not.toMatch(new RegExp(`canary|${settings.REDIS_PREFIX}`))
  })

  test('leave no gap when Redis was away: nothing follows', async () => {
    const { settings, send, result, entries } = await workerScene()
    const proxy = await redisProxy()
    const { port } = new URL(proxy.url)
    const { log } = await startWorker(
      { ...settings, REDIS_URL: proxy.url },
      speaker(async (say) => {
        say('before ')
        await eventually('it is written', async () => (await entries('w-9')).length === 1)
        await proxy.close()
        say('during ')
        await log.until('deltas.write_failed')
        await proxy.open(Number(port))
        await eventually('it is back', () => {
          return log.named('redis.connected').filter(({ role }) => role === 'worker').length === 2
        })
        say('after')
        return 'before during after'
      }),
    )
    send('w-9', 'run-1')
    expect(await result('w-9')).toMatchObject({ content: 'before during after' })
    expect(await entries('w-9')).toEqual([{ text: 'before ', run: 'run-1' }])
    expect(log.named('deltas.write_failed')).toHaveLength(1)
  })

  test('do not bring back a stream that has gone', async () => {
    const { settings, redis, streamKey, send, result, entries } = await workerScene()
    const { log } = await startWorker(
      settings,
      speaker(async (say) => {
        say('before ')
        await eventually('it is written', async () => (await entries('w-10')).length === 1)
        await redis.del(streamKey('w-10'))
        say('after')
        return 'before after'
      }),
    )
    send('w-10', 'run-1')
    await result('w-10')
    expect(await redis.exists(streamKey('w-10'))).toBe(0)
    expect(log.named('deltas.write_failed')).toEqual([])
  })
})
