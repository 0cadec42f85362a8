import { protollmV1 } from './protollm-v1.ts'
import type { Dialect, DialectSettings } from '../dialect.ts'

/** Every kind of worker we speak to, by the name DIALECT takes. */
export const dialects = {
  'protollm-v1': protollmV1,
} as const satisfies Record<string, (settings: DialectSettings) => Dialect>

export type DialectName = keyof typeof dialects
