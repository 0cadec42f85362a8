import { celeryV2 } from './celery-v2.ts'
import { protollmV1 } from './protollm-v1.ts'
import { protollmV11 } from './protollm-v1-1.ts'
import type { DialectKind } from '../dialect.ts'

/** Every kind of worker we speak to, by the name DIALECT takes. */
export const dialects = {
  'protollm-v1': protollmV1,
  'protollm-v1.1': protollmV11,
  'celery-v2': celeryV2,
} as const satisfies Record<string, DialectKind>

export type DialectName = keyof typeof dialects
