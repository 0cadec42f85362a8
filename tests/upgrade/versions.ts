import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'

/** The programs of one version, as `startProgram` takes them. */
export interface Version {
  readonly gateway: string
  readonly worker: string
}

const BEFORE = new URL('version-0.1.0.tgz', import.meta.url).pathname

/** This version, and the one before, which is unpacked for the tests of a file. README.md says how it was packed. */
export function versions(): { readonly now: Version; readonly before: Version } {
  const directory = join(tmpdir(), `version-before-${randomUUID()}`)
  beforeAll(() => {
    mkdirSync(directory)
    execFileSync('tar', ['-xzf', BEFORE, '-C', directory])
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  return {
    now: { gateway: 'src/main.ts', worker: 'worker-stub/main.ts' },
    before: {
      gateway: join(directory, 'dist/src/main.js'),
      worker: join(directory, 'dist/worker-stub/main.js'),
    },
  }
}
