import type { BodyBudget } from '../body-budget.ts'
import type { Models } from '../../models.ts'
import type { AppOptions } from '../app-options.ts'

/** Everything this surface needs. Without models there is nothing to serve. */
export type OpenAiOptions = Omit<AppOptions, 'models'> & { readonly models: Models }

/** With the budget that all endpoints share. */
export type BudgetedOptions = OpenAiOptions & { readonly budget: BodyBudget }
