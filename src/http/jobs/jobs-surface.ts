import { answerProblem } from '../native/problem.ts'
import { jobsContract } from './jobs-openapi.ts'
import { jobsRoutes } from './jobs-routes.ts'
import type { AppOptions } from '../app-options.ts'
import type { Surface } from '../surface.ts'

/** Jobs that a client can leave and find again, through any replica. */
export const jobsSurface = (options: AppOptions): Surface => ({
  prefix: '',
  routes: jobsRoutes(options),
  contract: jobsContract(options),
  answerError: answerProblem(options.log),
})
