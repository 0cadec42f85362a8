import type { Models } from '../../models.ts'
import type { AppOptions } from '../app-options.ts'
import type { BodyBudget } from '../body-budget.ts'

/** Everything this surface needs. Without models there is nothing to serve. */
export type OpenAiOptions = Omit<AppOptions, 'models'> & { readonly models: Models }

/** The endpoints that read bodies share one budget for them. */
export type BudgetedOptions = OpenAiOptions & { readonly budget: BodyBudget }
