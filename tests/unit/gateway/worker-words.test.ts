import { describe, expect, test } from 'vitest'
import { SILENT_MS } from '../../../src/announcement.ts'
import { directoryScene, said } from '../../support/directory.ts'
import type { WorkerField } from '../../../src/announcement.ts'

describe('words that cross', () => {
  test('a renewal after the stop of its process brings nothing back', () => {
    const { hear, stop, served } = directoryScene()
    hear(said('w', ['a']))
    stop('w')
    expect(hear(said('w', ['a']))).toBe(false)
    expect(served()).toEqual([])
  })

  test('a stop that comes before the first word of its process counts as well', () => {
    const { hear, stop, served } = directoryScene()
    stop('w')
    hear(said('w', ['a']))
    expect(served()).toEqual([])
  })

  test('the stop of an old process leaves the new one of the same name, in both orders', () => {
    const { hear, stop, served } = directoryScene()
    hear(said('w', ['a']))
    hear(said('w', ['b'], { instance: 'w-2' }))
    expect(served()).toEqual(['b'])
    stop('w', 'w-1')
    expect(served()).toEqual(['b'])
    hear(said('w', ['a']))
    expect(served()).toEqual(['b'])
    stop('w', 'w-2')
    hear(said('w', ['c'], { instance: 'w-3' }))
    expect(served()).toEqual(['c'])
  })

  test('the stop of a name that no worker has changes nothing', () => {
    const { hear, stop, served } = directoryScene()
    hear(said('w', ['a']))
    stop('x')
    stop('w', 'x-1')
    expect(served()).toEqual(['a'])
  })

  test('a stop that was heard while the hash was read is newer than the hash', () => {
    const { hear, stop, read, pass, served } = directoryScene()
    hear(said('w', ['a']))
    pass(5)
    stop('w')
    read([said('w', ['a'])], false, 1_000)
    expect(served()).toEqual([])
  })

  test('a start that was heard while the hash was read is newer than the hash', () => {
    const { hear, read, pass, served } = directoryScene()
    const since = 1_000
    pass(5)
    hear(said('w', ['b'], { instance: 'w-2' }))
    hear(said('x', ['c']))
    read([said('w', ['a'])], false, since)
    expect(served()).toEqual(['b', 'c'])
  })
})

describe('the hash, read on a connect', () => {
  test('has the workers of before, each for 12 s until it is heard', () => {
    const { read, pass, hear, served } = directoryScene()
    read([said('w', ['a']), said('x', ['b'])])
    expect(served()).toEqual(['a', 'b'])
    pass(SILENT_MS - 1)
    hear(said('x', ['b']))
    pass(1)
    expect(served()).toEqual(['b'])
  })

  test('says who has stopped meanwhile, also where no model was remembered yet', () => {
    const { hear, read, pass, served } = directoryScene()
    hear(said('w', ['a']))
    hear(said('x', ['b']))
    pass(1_000)
    read([said('x', ['b'])])
    expect(served()).toEqual(['b'])
    pass(1_000)
    read([], true)
    expect(served()).toEqual([])
  })

  test('gives a dead worker no more time, however often it is read', () => {
    const { hear, read, pass, served } = directoryScene()
    hear(said('w', ['a']))
    for (let reads = 0; reads < 3; reads += 1) {
      pass(SILENT_MS / 4)
      read([said('w', ['a'])])
      expect(served()).toEqual(['a'])
    }
    pass(SILENT_MS / 4)
    expect(served()).toEqual([])
  })

  test('has the next process of a name that was known', () => {
    const { hear, read, pass, served } = directoryScene()
    hear(said('w', ['a']))
    pass(SILENT_MS - 1)
    read([said('w', ['b'], { instance: 'w-2' })])
    pass(SILENT_MS - 1)
    expect(served()).toEqual(['b'])
  })

  test('brings all back after an outage in which no worker was heard', () => {
    const { hear, read, pass, served } = directoryScene()
    hear(said('w', ['a']))
    pass(60_000)
    expect(served()).toEqual([])
    read([said('w', ['a'])])
    expect(served()).toEqual(['a'])
  })

  test('that was lost with Redis ends no worker that was heard in the last 12 s', () => {
    const { directory, hear, read, pass, served } = directoryScene()
    hear(said('w', ['a']))
    directory.recall(directory.toRemember())
    pass(SILENT_MS - 1)
    read([], true)
    expect(served()).toEqual(['a'])
    pass(1)
    expect(served()).toEqual([])
  })

  test('may hold what cannot be read: it serves nothing, and is silent like any other', () => {
    const { directory, pass, known } = directoryScene()
    const junk = { worker: 'x', value: 'junk', announcement: undefined }
    directory.read([junk], directory.now(), false)
    expect(known()).toEqual([])
    pass(SILENT_MS)
    expect(directory.silent()).toMatchObject([junk])
    directory.forget(junk)
    expect(directory.silent()).toEqual([])
  })

  test('loses a field only as it was silent: one renewed meanwhile stays', () => {
    const { directory, hear, pass, served } = directoryScene()
    hear(said('w', ['a']))
    pass(SILENT_MS)
    const [silent] = directory.silent()
    hear(said('w', ['a'], { running: 2 }))
    directory.forget(silent as WorkerField)
    expect(served()).toEqual(['a'])
  })
})
