import { inject } from 'vitest'
import type { Environment } from '../python.ts'

export function environmentOf(name: string): Environment {
  const environment = inject('environments')[name]
  if (environment === undefined) throw new Error(`no environments/${name}.txt`)
  return environment
}

export const isMissing = (environment: Environment): boolean => 'missing' in environment

/** For the title over tests that are skipped; empty where it is installed. */
export const whyMissing = (environment: Environment): string =>
  'missing' in environment ? `, not installed: ${environment.missing}` : ''
