import { readFileSync } from 'node:fs'
import * as v from 'valibot'
import { dialects } from './dialects/index.ts'
import type { DialectKind } from './dialect.ts'
import type { DialectName } from './dialects/index.ts'

export type Env = Readonly<Record<string, string | undefined>>

/** Bad settings, all at once, a line each. No line carries a value: it may be a password. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** What is wrong with settings that are right one by one. */
export class Problems {
  readonly #lines: string[] = []

  add(line: string): void {
    this.#lines.push(line)
  }

  throwIfAny(): void {
    if (this.#lines.length > 0) throw new ConfigError([...new Set(this.#lines)].join('\n'))
  }
}

/**
 * One object schema against the environment, with the settings of the dialect that
 * is spoken. An empty variable counts as unset, as compose passes them;
 * `NAME_FILE` is read where `NAME` is unset.
 */
export function readSettings<T extends v.ObjectEntries>(
  ours: T,
  env: Env,
): v.InferOutput<v.ObjectSchema<T, undefined>> {
  const problems = new Problems()
  const given = valuesOf(ours, env, problems)
  const kind = kindOf(given.DIALECT)
  // Only the dialect itself reads its settings: to all others, they are not there.
  Object.assign(given, valuesOf(kind?.settings ?? {}, env, problems))
  const entries: T = { ...ours, ...kind?.settings }
  const parsed = v.safeParse(v.object(entries), given, { abortPipeEarly: true })
  for (const issue of parsed.issues ?? []) {
    problems.add(`${String(issue.path?.[0]?.key)} ${issue.message}`)
  }
  problems.throwIfAny()
  // It has succeeded: each issue is a problem.
  return parsed.output as v.InferOutput<v.ObjectSchema<T, undefined>>
}

const kindOf = (name = ''): DialectKind | undefined =>
  Object.hasOwn(dialects, name) ? dialects[name as DialectName] : undefined

/** What is set of these, from the variable or its file. */
function valuesOf(entries: v.ObjectEntries, env: Env, problems: Problems): Record<string, string> {
  const given: Record<string, string> = {}
  for (const name of Object.keys(entries)) {
    const file = env[`${name}_FILE`]
    if (env[name] && file) problems.add(`${name} and ${name}_FILE are both set`)
    else if (env[name]) given[name] = env[name]
    else if (file) {
      try {
        given[name] = readFileSync(file, 'utf8').trim()
      } catch (error) {
        problems.add(`${name}_FILE cannot be read: ${(error as NodeJS.ErrnoException).code}`)
      }
    }
  }
  return given
}
