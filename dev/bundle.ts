import { build } from 'esbuild'
import { ROOT } from './program.ts'
import type { BuildResult, Plugin } from 'esbuild'

/** The gateway uses nothing of Redis Stack, and its commands would be a tenth of each file. */
const withoutRedisStack: Plugin = {
  name: 'without Redis Stack',
  setup(plan) {
    plan.onLoad({ filter: /@redis[/\\](bloom|json|search|time-series)[/\\]/ }, () => ({
      contents: '',
    }))
  },
}

/**
 * Writes each program and all its packages into one file, because to find and
 * open the 600 files it is made of takes longer than all else at a start.
 */
export function bundle(
  entryPoints: string[],
  { outbase, outdir }: { readonly outbase: string; readonly outdir: string },
): Promise<BuildResult<{ metafile: true }>> {
  return build({
    absWorkingDir: ROOT,
    entryPoints,
    outbase,
    outdir,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    // Packages written for `require` find it here.
    banner: {
      js: "import { createRequire as toRequire } from 'node:module'; const require = toRequire(import.meta.url);",
    },
    plugins: [withoutRedisStack],
    logLevel: 'warning',
    metafile: true,
  })
}
