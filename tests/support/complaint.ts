import { ConfigError, readConfig } from '../../src/config.ts'
import { readWorkerConfig } from '../../worker-stub/config.ts'
import type { Env } from '../../src/config.ts'

/** Both programs, because each reads the shared settings. */
export const READERS = [
  ['gateway', readConfig],
  ['worker stub', readWorkerConfig],
] as const

/** What the program says of these settings: '' where it takes them. Any other error is a defect. */
export function complaint(read: (env: Env) => unknown, env: Env): string {
  try {
    read(env)
    return ''
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
}
