import { isObject } from '../upstream/error-text.ts'
import type { Fields } from './request-fields.ts'

/** What a `$ref` of this document names; undefined where it names nothing here. */
export function referred(root: unknown, reference: string): unknown {
  const [document, pointer = ''] = reference.split('#')
  if (document !== '') return undefined
  let value = root
  for (const step of pointer.split('/').slice(1)) {
    const name = decoded(step)
    const isThere = typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    if (!isThere) return undefined
    value = (value as Fields)[name]
  }
  return value
}

function decoded(step: string): string {
  const name = step.replaceAll('~1', '/').replaceAll('~0', '~')
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

/** One schema for what fits both, as far as their keywords do not meet. Where they do, the second has its way. */
export function merged(first: Fields, second: Fields): Fields {
  const properties = {
    ...(isObject(first.properties) && first.properties),
    ...(isObject(second.properties) && second.properties),
  }
  const required = [first.required, second.required].filter(Array.isArray).flat()
  return {
    ...first,
    ...second,
    ...(Object.keys(properties).length > 0 && { properties }),
    ...(required.length > 0 && { required }),
  }
}
