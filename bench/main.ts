import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../dev/program.ts'
import { onStop, startServicesOrExit } from '../dev/services.ts'
import { figuresOf, worst } from './bounds.ts'
import { USAGE, readOptions } from './options.ts'
import { buildPrograms, endAll } from './processes.ts'
import { report, shortReport } from './report.ts'
import { measureSections } from './sections.ts'
import { watchOtherPrograms } from './processor-time.ts'
import { setStage } from './stage.ts'
import type { Options } from './options.ts'

/** `npm run bench`: BENCH.md says what is measured and how, `options.ts` what a run can be told. */
const started = performance.now()
const seconds = (): number => Math.round((performance.now() - started) / 1000)
const print = (line: string): void => void process.stdout.write(`${line}\n`)
const say = (line: string): void => print(`# ${seconds()} s: ${line}`)

function readOptionsOrExit(): Options {
  try {
    return readOptions(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`)
    return process.exit(1)
  }
}

async function bench(options: Options, logs: string): Promise<void> {
  const services = await startServicesOrExit(say)
  const close = async (): Promise<void> => {
    await endAll()
    await services.close()
    rmSync(logs, { recursive: true, force: true })
  }
  onStop(close)
  try {
    const stage = await setStage(services, options, { logs, say })
    const others = watchOtherPrograms()
    const results = await measureSections(stage, options.sections)
    const figures = figuresOf(results)
    const run = { ...stage, othersShare: others() }
    const text = (options.isWhole ? report : shortReport)(results, figures, run)
    print(`\n${text}`)
    if (options.isFull) {
      writeFileSync(join(ROOT, 'BENCH.md'), text)
      writeFileSync(join(ROOT, 'bench.json'), `${JSON.stringify({ figures, results }, null, 1)}\n`)
    }
    if (options.isSmoke) judge(worst(figures))
  } finally {
    await close()
  }
}

/** A smoke run is too short to be exact: it fails where something is off by a multiple. */
function judge(miss: number): void {
  print(`The worst figure is off by a factor of ${miss.toFixed(1)}; 10 is too much.`)
  if (miss > 10) process.exitCode = 1
}

const options = readOptionsOrExit()
// Builds dist/, by being imported.
await import('../dev/build.ts')
await buildPrograms()
await bench(options, mkdtempSync(join(tmpdir(), 'protollm-bench-')))
say('done')
process.exit()
