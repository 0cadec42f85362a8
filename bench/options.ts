import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { builtGateway } from './processes.ts'
import { SECTION_NAMES } from './sections.ts'
import type { SectionName } from './sections.ts'

export const USAGE = `npm run bench -- [--only NAMES] [--against DIRECTORY] [--rounds N] [--smoke]

  without options      measures everything and writes BENCH.md and bench.json
  --only pairs         measures the gateway against floor C alone and prints a table; also a list with commas of
                       ${SECTION_NAMES.join(', ')}
  --against DIRECTORY  measures the build of another checkout (its dist/) in the same rounds, as "before"
  --rounds N           so many rounds of the pairs that have a bound (11)
  --smoke              short rounds of everything, in a minute: fails where a figure is off by more than ten times
`

export interface Options {
  readonly sections: readonly SectionName[]
  /** The checkout whose build is the contender "before". */
  readonly against: string | undefined
  readonly rounds: number
  readonly isSmoke: boolean
  /** Whether all sections are measured. */
  readonly isWhole: boolean
  /** Whether BENCH.md and bench.json are written. */
  readonly isFull: boolean
}

const DEFAULT_ROUNDS = 11
/** The least that has a median which one bad round does not move. */
const SMOKE_ROUNDS = 3

/** Throws an Error with a sentence for a person. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      against: { type: 'string' },
      rounds: { type: 'string', default: String(DEFAULT_ROUNDS) },
      smoke: { type: 'boolean', default: false },
    },
  })
  const { only, against, smoke: isSmoke } = values
  const rounds = isSmoke ? SMOKE_ROUNDS : Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error('--rounds must be a whole number from 1')
  return {
    sections: sectionsOf(only),
    against: against === undefined ? undefined : checkoutAt(against),
    rounds,
    isSmoke,
    isWhole: only === undefined,
    isFull: !isSmoke && only === undefined && against === undefined,
  }
}

function sectionsOf(only: string | undefined): readonly SectionName[] {
  if (only === undefined) return SECTION_NAMES
  const names = only.split(',')
  const unknown = names.find((name) => !SECTION_NAMES.some((known) => known === name))
  if (unknown !== undefined) {
    throw new Error(`--only takes ${SECTION_NAMES.join(', ')}, not ${unknown}`)
  }
  return SECTION_NAMES.filter((name) => names.includes(name))
}

function checkoutAt(directory: string): string {
  const checkout = resolve(directory)
  if (!existsSync(builtGateway(checkout))) {
    throw new Error(`${builtGateway(checkout)} is missing: run npm run build in ${checkout}`)
  }
  return checkout
}
