import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { inject } from 'vitest'
import { ROOT } from '../../dev/program.ts'

/** The programs that tests start as processes of their own. */
const ENTRIES = ['src/main.ts', 'worker-stub/main.ts']

/**
 * Bundles each program into one file, as the build does, once for a run of the
 * tests. The suite starts about a hundred processes, and the compiler would cost
 * each of them a second of CPU. Returns the directory, which is inside the
 * repository because the programs look there for packages whose files they serve.
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

/** The file to start for this source. An entry that is not one of our sources is started as it is. */
export function programOf(entry: string): string {
  return ENTRIES.includes(entry) ? join(inject('programs'), entry.replace(/\.ts$/, '.mjs')) : entry
}
