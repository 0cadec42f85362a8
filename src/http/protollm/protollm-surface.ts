import { answerProblem } from '../native/problem.ts'
import { protollmContract } from './protollm-openapi.ts'
import { protollmRoutes } from './protollm-routes.ts'
import type { AppOptions } from '../app-options.ts'
import type { Surface } from '../surface.ts'

/** What protollm_api offers, for its clients. */
export const protollmSurface = (options: AppOptions): Surface => ({
  prefix: '',
  routes: protollmRoutes(options),
  contract: protollmContract(options),
  answerError: answerProblem(options.log),
})
