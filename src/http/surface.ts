import type { Context, Hono } from 'hono'
import type { HttpEnv } from './context.ts'
import type { Contract } from './openapi/openapi-parts.ts'

/** Writes the answer to a request that failed. The error may be anything a route threw. */
export type AnswerError = (error: unknown, c: Context<HttpEnv>) => Response

/** One HTTP API with a vocabulary of its own. `app.ts` puts the surfaces together. */
export interface Surface {
  /** `/v1`, for example. `''`: the surface has paths directly under the root. */
  readonly prefix: string
  /** With whole paths, the prefix included. */
  readonly routes: Hono<HttpEnv>
  /** Its part of /openapi.json. */
  readonly contract: Contract
  /**
   * Answers every error under the prefix: what its routes throw, and also a path
   * it does not have (404) and a method that a path does not take (405).
   */
  readonly answerError: AnswerError
}

/** The surface a path belongs to. The longest prefix wins, so `''` gets the paths that no other surface has. */
export function surfaceOf(surfaces: readonly Surface[], path: string): Surface {
  return surfaces
    .filter(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`))
    .reduce((best, one) => (one.prefix.length > best.prefix.length ? one : best))
}
