import type { Quartiles } from './stats.ts'

type Cells = readonly string[]

/** A table whose columns stand under each other, so that it can be read as it is. Numbers are on the right. */
export function table(head: Cells, rows: readonly Cells[]): string {
  const columns = head.map((title, index) => {
    const cells = rows.map((row) => row[index] ?? '')
    return {
      width: Math.max(3, title.length, ...cells.map((cell) => cell.length)),
      isRight: cells.every((cell) => /^([\d–≤≥-]|$)/.test(cell)),
    }
  })
  const line = (cells: Cells): string =>
    `| ${columns.map(({ width, isRight }, index) => pad(cells[index] ?? '', width, isRight)).join(' | ')} |`
  const rule = columns.map(({ width, isRight }) => `${'-'.repeat(width - 1)}${isRight ? ':' : '-'}`)
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}

const pad = (cell: string, width: number, isRight: boolean): string =>
  isRight ? cell.padStart(width) : cell.padEnd(width)

/** Three digits that mean something. */
export function round(value: number | undefined): string {
  if (value === undefined) return '–'
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}

/** A ratio has two decimals, for the third means nothing. */
export const ratio = (value: number): string => (value < 0.1 ? round(value) : value.toFixed(2))

export const range = ({ q1, q3 }: Quartiles): string => `${ratio(q1)} to ${ratio(q3)}`

export const bound = (value: number, isAtLeast: boolean): string =>
  `${isAtLeast ? '≥' : '≤'} ${round(value)}`
