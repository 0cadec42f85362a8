import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { bundle } from './bundle.ts'
import { ROOT } from './program.ts'

/**
 * Emits `dist/`: what the image and the npm package run, without a compiler and
 * without development packages.
 */
const dist = join(ROOT, 'dist')
rmSync(dist, { recursive: true, force: true })

const { metafile } = await bundle(['src/main.ts', 'worker-stub/main.ts'], {
  outbase: '.',
  outdir: 'dist',
})
for (const entry of ['src/main.js', 'worker-stub/main.js']) chmodSync(join(dist, entry), 0o755)

/** Copied, so that /docs works in clusters without internet and an installation stays small. */
const swagger = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
const assets = join(dist, 'src', 'swagger-ui')
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

/** Their licences ask to go where their code goes. */
const packages = Object.keys(metafile.inputs).map(
  (path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1],
)
const notices = [...new Set(packages)].filter((name) => name !== undefined).map(noticeOf)
writeFileSync(join(dist, 'LICENSES.txt'), notices.join(`\n${'-'.repeat(78)}\n`))

function noticeOf(path: string): string {
  const directory = join(ROOT, path)
  const { name, version, license } = JSON.parse(
    readFileSync(join(directory, 'package.json'), 'utf8'),
  ) as Record<string, string>
  const file = readdirSync(directory).find((entry) => /^licen[cs]e/i.test(entry))
  const text = file === undefined ? '' : readFileSync(join(directory, file), 'utf8')
  return `${name} ${version}, ${license}\n\n${text}`
}
