import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { ROOT } from './program.ts'

/** Emits `dist/`: what the image and the npm package run, without a compiler and without development packages. */
const dist = join(ROOT, 'dist')
rmSync(dist, { recursive: true, force: true })
const tsc = join(ROOT, 'node_modules', 'tsc', 'bin', 'tsc')
execFileSync(process.execPath, [tsc, '-p', join(ROOT, 'tsconfig.build.json')], { stdio: 'inherit' })
for (const entry of ['src/main.js', 'worker-stub/main.js']) chmodSync(join(dist, entry), 0o755)

/** Copied, so that /docs works in clusters without internet and an installation stays small. */
const swagger = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
const assets = join(dist, 'src', 'http', 'swagger-ui')
mkdirSync(assets)
for (const file of [
  'swagger-ui.css',
  'swagger-ui-bundle.js',
  'swagger-ui-bundle.js.LICENSE.txt',
  'LICENSE',
  'NOTICE',
]) {
  copyFileSync(join(swagger, file), join(assets, file))
}
