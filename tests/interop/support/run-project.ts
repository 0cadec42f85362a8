import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ReportLine } from './report.ts'

/**
 * Runs the tests of one project with the arguments of this command, and says in the end which
 * real programs they spoke to, and which they could not.
 */
export function runProject(project: string): void {
  const directory = mkdtempSync(join(tmpdir(), `protollm-${project}-`))
  const path = join(directory, 'report')
  const args = ['run', '--config', 'tests/vitest.config.ts', '--project', project]
  const vitest = spawn('node_modules/.bin/vitest', [...args, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, TESTS: project, INTEROP_REPORT: path },
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => vitest.kill(signal))
  }
  vitest.once('exit', (code, signal) => {
    const lines = existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []
    rmSync(directory, { recursive: true })
    process.stderr.write(summary(lines.map((line) => JSON.parse(line) as ReportLine)))
    process.exitCode = code ?? (signal === null ? 0 : 1)
  })
}

function summary(lines: readonly ReportLine[]): string {
  const spoken = new Map<string, Record<string, number>>()
  const units = new Map<string, string>()
  const others = new Set<string>()
  for (const line of lines) {
    if (line.kind === 'missing') others.add(`not installed: ${line.name}\n${indented(line.why)}`)
    if (line.kind === 'notes') for (const note of line.notes) others.add(note)
    if (line.kind !== 'spoken') continue
    const program = `${line.program}\n  on ${line.runsOn}`
    const sum = spoken.get(program) ?? {}
    units.set(program, line.unit ?? 'jobs')
    for (const [outcome, count] of Object.entries(line.outcomes)) {
      sum[outcome] = (sum[outcome] ?? 0) + count
    }
    spoken.set(program, sum)
  }
  const rows = [...spoken].map(([program, outcomes]) => {
    const total = Object.values(outcomes).reduce((sum, count) => sum + count, 0)
    const each = Object.entries(outcomes).map(([outcome, count]) => `${count} × ${outcome}`)
    return `${program}\n  ${total} ${units.get(program)}: ${each.join(', ')}`
  })
  const to = rows.length === 0 ? 'Spoken to: no program' : 'Spoken to:'
  return ['', to, ...rows.toSorted(), ...others, ''].join('\n')
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '  ')
}
