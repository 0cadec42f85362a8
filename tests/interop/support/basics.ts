import { expect, test } from 'vitest'
import { MEGABYTE, ODD_TEXTS, ask, askAll, saidOtherwise, tally, unique } from './ask.ts'
import type { Settings } from '../../support/scene.ts'
import type { RealWorker } from './worker.ts'

/** A real worker, and the gateway before it. */
type Scene = (more?: Settings) => Promise<{ readonly worker: RealWorker; readonly url: string }>

/** What is asked of every worker. */
export function answersAll(scene: Scene): void {
  test('each of 200 requests, 32 at a time, gets its own answer', async () => {
    const { worker, url } = await scene()
    const asked = await askAll(url, unique(200), 32)
    worker.count(asked)
    expect(tally(asked)).toEqual({ 200: 200 })
  })

  test('a text comes back as it was sent, whatever is in it and however long it is', async () => {
    const { worker, url } = await scene({ MAX_BODY_BYTES: '4194304' })
    const asked = await askAll(url, [...ODD_TEXTS, MEGABYTE], 4)
    worker.count(asked)
    expect(asked.filter(({ outcome }) => outcome !== '200')).toEqual([])
  })
}

/** What is asked of those that tell a failure; `type` is what they call one of the model's. */
export function failsAsTold(scene: Scene, type: string): void {
  test('a failure carries its text as it was raised and no more, and the worker serves on', async () => {
    const { worker, url } = await scene()
    const failing = ODD_TEXTS.map((text) => `fail: ${text.trim()}`)
    const asked = [...(await askAll(url, failing, 4)), await ask(url, 'anything else')]
    worker.count(asked)
    expect(tally(asked)).toEqual({ '502 worker_failed': ODD_TEXTS.length, 200: 1 })
    expect(saidOtherwise(asked, type)).toEqual([])
  })
}
