import { describe, expect, test } from 'vitest'
import { KNOWN_MS, RENEW_MS, SILENT_MS } from '../../../src/announcement.ts'
import { DATE, directoryScene, modelOf, said } from '../../support/directory.ts'

describe('a worker that announces itself', () => {
  test('has its models served at its queue, and nothing else is known', () => {
    const { directory, hear } = directoryScene()
    hear(said('w', ['a']))
    expect(directory.route('a')).toEqual({ queue: 'q', name: 'a', isVerbatim: true })
    expect(directory.route('b')).toBeUndefined()
    expect(directory.all()).toEqual([
      { id: 'a', createdAt: DATE + 1_000, ownedBy: 'q', isServed: true },
    ])
  })

  test('is counted with its jobs, and queues without workers are counted too', () => {
    const { directory, hear } = directoryScene()
    hear(said('w', ['a'], { running: 3 }))
    hear(said('x', ['a'], { running: 2, concurrency: 8 }))
    hear(said('x', ['a'], { running: 0, concurrency: 8 }))
    expect(directory.queues()).toEqual([
      { queue: 'q', workers: 2, running: 3, concurrency: 12 },
      { queue: 'other', workers: 0, running: 0, concurrency: 0 },
    ])
    expect(directory.describe()).toContain('queue q: workers announced 2, jobs running 3 of 12')
  })

  test('serves what it said last', () => {
    const { hear, served, known } = directoryScene()
    hear(said('w', ['a', 'b']))
    hear(said('w', ['b', 'c']))
    expect(served()).toEqual(['b', 'c'])
    expect(known()).toEqual(['a', 'b', 'c'])
  })

  test('is gone at once when it stops, and its models stay known', () => {
    const { directory, hear, stop, served, workers } = directoryScene()
    hear(said('w', ['a']))
    stop('w')
    expect(served()).toEqual([])
    expect(workers()).toEqual([0, 0])
    expect(directory.route('a')).toEqual({ queue: 'q', name: 'a', isVerbatim: true })
  })

  test('is gone 12 s after it was heard last, not earlier', () => {
    const { hear, pass, served, workers, directory } = directoryScene()
    hear(said('w', ['a']))
    for (let renewals = 0; renewals < 10; renewals += 1) {
      pass(RENEW_MS)
      hear(said('w', ['a']))
    }
    pass(SILENT_MS - 1)
    expect(served()).toEqual(['a'])
    expect(directory.silent()).toEqual([])
    pass(1)
    expect(served()).toEqual([])
    expect(workers()).toEqual([0, 0])
    expect(directory.silent().map(({ worker }) => worker)).toEqual(['w'])
    hear(said('w', ['a']))
    expect(served()).toEqual(['a'])
    expect(directory.silent()).toEqual([])
  })

  test('is counted out one by one, each at its own time', () => {
    const { hear, pass, served } = directoryScene()
    hear(said('w', ['a']))
    pass(1_000)
    hear(said('x', ['b']))
    expect(served()).toEqual(['a', 'b'])
    pass(SILENT_MS - 1_000)
    expect(served()).toEqual(['b'])
    pass(1_000)
    expect(served()).toEqual([])
  })

  test('is known for 24 hours after it was heard last', () => {
    const { directory, hear, pass, known } = directoryScene()
    hear(said('w', ['a']))
    pass(5_000)
    hear(said('w', ['a']))
    pass(KNOWN_MS - 1)
    expect(known()).toEqual(['a'])
    expect(directory.route('a')).toBeDefined()
    pass(1)
    expect(known()).toEqual([])
    expect(directory.route('a')).toBeUndefined()
    expect(directory.toRemember()).toEqual([])
  })
})

describe('a model at two queues', () => {
  const atOther = said('x', ['a'], { queue: 'other', models: [modelOf('a', 'text')] })

  test.each([
    ['first', [said('w', ['a']), atOther]],
    ['last', [atOther, said('w', ['a'])]],
  ])('goes to the first queue of the settings, also where it was announced %s', (_, all) => {
    const { directory, hear, stop, pass } = directoryScene()
    for (const each of all) hear(each)
    expect(directory.route('a')).toEqual({ queue: 'q', name: 'a', isVerbatim: true })
    pass(1_000)
    hear(atOther)
    stop('w')
    expect(directory.route('a')).toEqual({ queue: 'other', name: 'a', isVerbatim: false })
    hear(said('w', ['a'], { instance: 'w-2' }))
    expect(directory.route('a')?.queue).toBe('q')
    expect(directory.all()).toHaveLength(1)
  })

  test('goes to the queue where it was served last, when no worker is there', () => {
    const { directory, hear, stop, pass } = directoryScene()
    hear(said('w', ['a']))
    pass(1_000)
    hear(atOther)
    stop('w')
    stop('x')
    expect(directory.route('a')).toMatchObject({ queue: 'other', isVerbatim: false })
    expect(directory.all()).toMatchObject([{ isServed: false, ownedBy: 'other' }])
  })
})

describe('whole bodies', () => {
  const text = said('x', [], { models: [modelOf('a', 'text')] })

  test('are carried only where every worker of the model carries them: any of them may take the job', () => {
    const { directory, hear, stop } = directoryScene()
    hear(said('w', ['a']))
    hear(text)
    expect(directory.route('a')?.isVerbatim).toBe(false)
    stop('x')
    expect(directory.route('a')?.isVerbatim).toBe(true)
  })

  test('are carried as by the last workers, when none is there', () => {
    const { directory, hear, stop, pass } = directoryScene()
    hear(said('w', ['a']))
    pass(SILENT_MS)
    expect(directory.route('a')?.isVerbatim).toBe(true)
    hear(text)
    stop('x')
    expect(directory.route('a')?.isVerbatim).toBe(false)
  })

  test('are not carried where the dialect has no place for them', () => {
    const { directory, hear } = directoryScene({
      dialect: { name: 'protollm-v1.1', carriesBodies: false },
    })
    hear(said('w', ['a']))
    expect(directory.route('a')?.isVerbatim).toBe(false)
  })
})

describe('an announcement that is not for this gateway', () => {
  test('for another queue is ignored, with one warning', () => {
    const { directory, hear, warnings, known } = directoryScene()
    const foreign = said('w', ['a'], { queue: 'elsewhere' })
    for (let times = 0; times < 3; times += 1) hear(foreign)
    hear(said('x', ['b'], { queue: 'elsewhere' }))
    expect(known()).toEqual([])
    expect(directory.queues().map(({ workers }) => workers)).toEqual([0, 0])
    expect(warnings).toEqual([[{ worker: 'w', queue: 'elsewhere' }, 'worker.of_another_queue']])
  })

  test('of another dialect is ignored, with one warning; without one it is of ours', () => {
    const { hear, warnings, known } = directoryScene()
    for (let times = 0; times < 3; times += 1) hear(said('w', ['a'], { dialect: 'celery-v2' }))
    hear(said('x', ['b'], { dialect: 'protollm-v1' }))
    hear(said('y', ['c']))
    expect(known()).toEqual(['b', 'c'])
    expect(warnings.map(([, event]) => event)).toEqual(['worker.of_another_dialect'])
  })

  test('is forgotten in the hash like any other when its worker falls silent', () => {
    const { directory, hear, pass } = directoryScene()
    hear(said('w', ['a'], { queue: 'elsewhere' }))
    pass(SILENT_MS)
    expect(directory.silent().map(({ worker }) => worker)).toEqual(['w'])
  })
})

describe('MODELS', () => {
  const settings = [
    { id: 'gpt', queue: 'other', name: 'a' },
    { id: 'a', queue: 'other', name: 'a' },
  ]

  test('names models before any worker does, for workers that take text', () => {
    const { directory } = directoryScene({ settings })
    expect(directory.route('gpt')).toEqual({ queue: 'other', name: 'a', isVerbatim: false })
    expect(directory.all()).toEqual([
      { id: 'gpt', createdAt: DATE + 1_000, ownedBy: 'other', isServed: false },
      { id: 'a', createdAt: DATE + 1_000, ownedBy: 'other', isServed: false },
    ])
  })

  test('wins over what is announced, and each model is listed once', () => {
    const { directory, hear, served, known } = directoryScene({ settings })
    hear(said('w', ['a', 'b']))
    expect(directory.route('a')).toMatchObject({ queue: 'other' })
    expect(known()).toEqual(['gpt', 'a', 'b'])
    expect(served()).toEqual(['b'])
  })

  test('takes from the workers of its queue whether they are there and carry bodies', () => {
    const { directory, hear, stop, served } = directoryScene({ settings })
    hear(said('w', ['a'], { queue: 'other' }))
    expect(directory.route('gpt')).toEqual({ queue: 'other', name: 'a', isVerbatim: true })
    expect(served()).toEqual(['gpt', 'a'])
    stop('w')
    expect(served()).toEqual([])
  })

  test('is served where the broker sees more workers than have announced themselves', () => {
    let consumers: number | undefined = 1
    const { hear, served } = directoryScene({
      settings,
      consumersOf: (queue) => (queue === 'other' ? consumers : 0),
    })
    expect(served()).toEqual(['gpt', 'a'])
    hear(said('w', ['b'], { queue: 'other' }))
    expect(served()).toEqual(['b'])
    consumers = 2
    expect(served()).toEqual(['gpt', 'a', 'b'])
    consumers = undefined
    expect(served()).toEqual(['b'])
  })
})

describe('what is not known yet', () => {
  test('may still be announced until the workers were read for the first time', () => {
    const { directory, read, hear } = directoryScene()
    expect(directory.settlesInMs()).toBe(2 * RENEW_MS)
    hear(said('w', ['a']))
    expect(directory.settlesInMs()).toBe(2 * RENEW_MS)
    read([])
    expect(directory.settlesInMs()).toBe(0)
  })

  test('may still be announced for two renewals after an empty Redis', () => {
    const { directory, read, pass } = directoryScene()
    read([], true)
    expect(directory.settlesInMs()).toBe(8_000)
    pass(5_000)
    expect(directory.settlesInMs()).toBe(3_000)
    pass(3_000)
    expect(directory.settlesInMs()).toBe(0)
    pass(60_000)
    read([said('w', ['a'])], true)
    expect(directory.settlesInMs()).toBe(8_000)
    read([said('w', ['a'])])
    expect(directory.settlesInMs()).toBe(0)
  })

  test('does not exist where no worker can be heard', () => {
    const { directory } = directoryScene()
    directory.cannotHear()
    expect(directory.settlesInMs()).toBe(0)
  })
})

describe('what Redis remembers', () => {
  const memory = { queue: 'q', name: 'a', isVerbatim: true, createdAt: DATE - 500, ageMs: 10_000 }

  test('is known, though no worker is there', () => {
    const { directory } = directoryScene()
    directory.recall([memory, { ...memory, queue: 'elsewhere', name: 'b' }])
    expect(directory.route('a')).toEqual({ queue: 'q', name: 'a', isVerbatim: true })
    expect(directory.route('b')).toBeUndefined()
    expect(directory.all()).toEqual([
      { id: 'a', createdAt: DATE - 500, ownedBy: 'q', isServed: false },
    ])
    expect(directory.toRemember()).toEqual([memory])
  })

  test('is older than what is heard, but knows since when the model is there', () => {
    const { directory, hear, pass } = directoryScene()
    hear(said('w', [], { models: [modelOf('a', 'text')] }))
    pass(5)
    directory.recall([memory])
    expect(directory.route('a')?.isVerbatim).toBe(false)
    expect(directory.toRemember()).toEqual([
      { queue: 'q', name: 'a', isVerbatim: false, createdAt: DATE - 500, ageMs: 5 },
    ])
  })

  test('is reported as new only when something of it is new', () => {
    const { hear, pass } = directoryScene()
    expect(hear(said('w', ['a']))).toBe(true)
    pass(RENEW_MS)
    expect(hear(said('w', ['a'], { running: 4 }))).toBe(false)
    expect(hear(said('w', [], { models: [modelOf('a', 'text')] }))).toBe(true)
  })
})
