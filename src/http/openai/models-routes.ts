import { Hono } from 'hono'
import { modelUnknown } from './openai-errors.ts'
import type { Model } from '../../models.ts'
import type { HttpEnv } from '../context.ts'
import type { OpenAiOptions } from './openai-options.ts'

export function modelsRoutes({ models }: Pick<OpenAiOptions, 'models'>): Hono<HttpEnv> {
  const routes = new Hono<HttpEnv>()
  routes.get('/v1/models', (c) => c.json({ object: 'list', data: models.all().map(modelJson) }))
  // A name such as `meta-llama/Llama-3` has a slash, and not every client encodes it.
  routes.get('/v1/models/:id{.+}', (c) => {
    const id = c.req.param('id')
    const model = models.all().find((one) => one.id === id)
    if (model === undefined) throw modelUnknown(id, models)
    return c.json(modelJson(model))
  })
  return routes
}

const modelJson = ({ id, createdAt, ownedBy, isServed }: Model) => ({
  id,
  object: 'model',
  created: Math.floor(createdAt / 1000),
  owned_by: ownedBy,
  // Not of OpenAI, whose models are always served.
  served: isServed,
})
