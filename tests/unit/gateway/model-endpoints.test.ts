import { describe, expect, test } from 'vitest'
import { SILENT_MS } from '../../../src/announcement.ts'
import { directoryScene, said } from '../../support/directory.ts'
import type { Endpoint } from '../../../src/models.ts'
import type { DirectoryOptions } from '../../../src/gateway/model-directory.ts'

/** Workers of one model, by the capabilities that each names. */
function scene(more: Partial<DirectoryOptions> = {}) {
  const directory = directoryScene(more)
  const announce = (worker: string, capabilities: readonly string[], queue = 'q') =>
    directory.hear(said(worker, [], { queue, models: [{ name: 'm', capabilities }] }))
  /** The queue that gets the jobs; undefined where no worker serves the endpoint. */
  const queueFor = (endpoint: Endpoint, id = 'm'): string | undefined => {
    const route = directory.directory.route(id, endpoint)
    return route?.lacksEndpoint ? undefined : route?.queue
  }
  return { ...directory, announce, queueFor }
}

describe('an endpoint of a model', () => {
  test('is served where a worker names it, and else not', () => {
    const { announce, queueFor } = scene()
    announce('w', ['verbatim', 'chat', 'completions'])
    const all = (['chat', 'completions', 'embeddings'] as const).map((one) => queueFor(one))
    expect(all).toEqual(['q', 'q', undefined])
    announce('x', ['verbatim', 'embeddings'])
    expect([queueFor('embeddings'), queueFor('chat')]).toEqual(['q', 'q'])
  })

  test.each([[['verbatim']], [['text']], [[]], [['verbatim', 'vision']]])(
    'is served by a worker that names no endpoint: %j',
    (capabilities) => {
      const { announce, queueFor } = scene()
      announce('w', ['verbatim', 'chat'])
      expect(queueFor('embeddings')).toBeUndefined()
      announce('x', capabilities)
      expect(queueFor('embeddings')).toBe('q')
    },
  )

  test('is served no more when the last worker is gone that named it', () => {
    const { announce, queueFor, stop, pass } = scene()
    announce('w', ['verbatim', 'embeddings'])
    announce('x', ['verbatim', 'chat'])
    stop('w')
    expect(queueFor('embeddings')).toBeUndefined()
    announce('y', ['verbatim', 'embeddings'])
    pass(SILENT_MS - 1)
    announce('x', ['verbatim', 'chat'])
    expect(queueFor('embeddings')).toBe('q')
    pass(1)
    expect(queueFor('embeddings')).toBeUndefined()
  })

  test('waits for a worker where no worker serves the model', () => {
    const { announce, queueFor, stop } = scene()
    announce('w', ['verbatim', 'chat'])
    stop('w')
    expect(queueFor('embeddings')).toBe('q')
  })

  test('is asked of the queue whose workers serve it', () => {
    const { announce, queueFor, directory, stop } = scene()
    announce('w', ['verbatim', 'chat'])
    announce('x', ['text', 'embeddings', 'chat'], 'other')
    expect([queueFor('chat'), queueFor('embeddings')]).toEqual(['q', 'other'])
    expect(directory.route('m', 'embeddings')?.isVerbatim).toBe(false)
    expect(directory.route('m')).toEqual({ queue: 'q', name: 'm', isVerbatim: true })
    stop('x')
    expect(queueFor('embeddings')).toBeUndefined()
  })

  test('of a model in MODELS is that of its workers, as long as the queue has no others', () => {
    let consumers = 1
    const settings = [{ id: 'alias', queue: 'q', name: 'm' }]
    const { announce, queueFor } = scene({ settings, consumersOf: () => consumers })
    expect(queueFor('embeddings', 'alias')).toBe('q')
    announce('w', ['verbatim', 'chat'])
    expect(queueFor('embeddings', 'alias')).toBeUndefined()
    consumers = 2
    expect(queueFor('embeddings', 'alias')).toBe('q')
  })
})
