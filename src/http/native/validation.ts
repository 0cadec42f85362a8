import { MAX_DEPTH, MAX_ITEMS, UnusableJson } from '../body.ts'
import type * as v from 'valibot'

/** One thing that is wrong with a request, in the words of FastAPI. */
export interface InvalidField {
  readonly type: string
  /** Where it is: `body`, `query` or `header`, then keys and indices. */
  readonly loc: readonly (string | number)[]
  readonly msg: string
  readonly input: unknown
}

/** Everything that is wrong with a request, thrown together so that the client sees all of it in one 422. */
export class InvalidRequest extends Error {
  override readonly name = 'InvalidRequest'
  readonly fields: readonly InvalidField[]

  constructor(fields: readonly InvalidField[]) {
    super('the request is invalid')
    this.fields = fields
  }
}

/** The `detail` of a 422. Undefined: the error is of another kind. */
export function invalidFieldsOf(error: unknown): readonly InvalidField[] | undefined {
  if (error instanceof InvalidRequest) return error.fields
  return error instanceof UnusableJson ? [invalidJson(error.fault)] : undefined
}

function invalidJson(fault: UnusableJson['fault']): InvalidField {
  switch (fault.kind) {
    case 'not_json':
      return { type: 'json_invalid', loc: ['body'], msg: 'JSON decode error', input: {} }
    case 'not_utf8': {
      const msg = 'JSON decode error: the body is not UTF-8'
      return { type: 'json_invalid', loc: ['body'], msg, input: {} }
    }
    case 'too_deep': {
      const msg = `JSON should be at most ${MAX_DEPTH} levels deep`
      return { type: 'json_too_deep', loc: ['body'], msg, input: null }
    }
    case 'too_wide': {
      const msg = `should have at most ${MAX_ITEMS} items, not ${fault.size}`
      return { type: 'too_long', loc: ['body', ...fault.path], msg, input: null }
    }
  }
}

const NOT_AN_OBJECT = [
  'model_attributes_type',
  'Input should be a valid dictionary or object',
] as const

/** From the type of valibot's issue to the type and message of FastAPI. Without a message, the schema's own is used. */
const TYPES: Record<string, readonly [type: string, msg: string]> = {
  string: ['string_type', 'Input should be a valid string'],
  number: ['float_type', 'Input should be a valid number'],
  finite: ['finite_number', 'Input should be a finite number'],
  integer: ['int_from_float', 'Input should be a valid integer'],
  array: ['list_type', 'Input should be a valid list'],
  object: NOT_AN_OBJECT,
  // The array that `object` in job-request.ts refuses.
  custom: NOT_AN_OBJECT,
  min_length: ['too_short', ''],
  max_length: ['too_long', ''],
  min_value: ['greater_than_equal', ''],
  max_value: ['less_than_equal', ''],
  regex: ['string_pattern_mismatch', ''],
}

/** What one of valibot's issues says about the field, in the words of FastAPI. */
export function invalidFieldOf(issue: v.BaseIssue<unknown>, whole: unknown): InvalidField {
  const path = issue.path ?? []
  const loc = ['body', ...path.map(({ key }) => key as string | number)]
  const last = path.at(-1)
  if (last !== undefined && issue.received === 'undefined') {
    return { type: 'missing', loc, msg: 'Field required', input: last.input ?? whole }
  }
  const [type, msg] = TYPES[issue.type] ?? ['value_error', '']
  return { type, loc, msg: msg || issue.message, input: issue.input }
}
