import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { inject } from 'vitest'
import { ROOT } from '../../dev/program.ts'

/** The programs that tests start as processes of their own. */
const ENTRIES = ['src/main.ts', 'worker-stub/main.ts']

/**
 * Makes one file of each program, as the build does, once for a run of the
 * tests: a suite that starts a hundred processes would else spend two minutes
 * of its CPU on the compiler. It is inside the repository, where the programs
 * find the packages whose files they serve. Returns the directory.
 */
export async function bundlePrograms(): Promise<string> {
  mkdirSync(join(ROOT, '.cache'), { recursive: true })
  const directory = mkdtempSync(join(ROOT, '.cache', 'programs-'))
  await build({
    absWorkingDir: ROOT,
    entryPoints: ENTRIES,
    outbase: '.',
    outdir: directory,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    // Packages written for `require` find it here.
    banner: {
      js: "import { createRequire as toRequire } from 'node:module'; const require = toRequire(import.meta.url);",
    },
    logLevel: 'warning',
  })
  return directory
}

export function removePrograms(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
}

/** What to start for this source; what is no source of ours is started as it is. */
export function programOf(entry: string): string {
  return ENTRIES.includes(entry) ? join(inject('programs'), entry.replace(/\.ts$/, '.mjs')) : entry
}
