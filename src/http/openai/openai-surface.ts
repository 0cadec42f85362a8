import { Hono } from 'hono'
import { BodyBudget } from '../body-budget.ts'
import { modelsRoutes } from './models-routes.ts'
import { answerOpenAiError } from './openai-errors.ts'
import { openAiContract } from './openai-openapi.ts'
import { openAiRoutes } from './openai-routes.ts'
import { responsesRoutes } from './responses/responses-routes.ts'
import type { HttpEnv } from '../context.ts'
import type { Surface } from '../surface.ts'
import type { OpenAiOptions } from './openai-options.ts'

/** The OpenAI API. The gateway routes, queues, waits and passes on; the engine validates. */
export function openAiSurface(options: OpenAiOptions): Surface {
  const budgeted = { ...options, budget: new BodyBudget(options.v1.maxHeldBytes) }
  return {
    prefix: '/v1',
    routes: new Hono<HttpEnv>()
      .route('/', openAiRoutes(budgeted))
      .route('/', responsesRoutes(budgeted))
      .route('/', modelsRoutes(options)),
    contract: openAiContract(options),
    answerError: answerOpenAiError(options.log),
  }
}
