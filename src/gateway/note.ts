import type { HintSource } from '../redis/push.ts'
import type { Sent } from './publish.ts'

/** What the loop of a pending job takes from its inbox. */
export type Note =
  | { readonly kind: 'hint'; readonly source: HintSource; readonly at: number }
  | { readonly kind: 'look'; readonly done: () => void }
  | { readonly kind: 'sent'; readonly run: string; readonly sent: Sent }
  | { readonly kind: 'late'; readonly run: string }
  | { readonly kind: 'promised' | 'left' }
