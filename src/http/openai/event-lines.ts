/**
 * A comment, with one end of line and no more: with an empty line behind it, Python's client
 * takes it for an event that it cannot read.
 */
export const PING = ': ping\n'

/** Some readers take these for ends of lines, too. In JSON, the first two are only between values. */
const LINE_ENDS: Readonly<Record<string, string>> = {
  '\n': ' ',
  '\r': ' ',
  '\u0085': String.raw`\u0085`,
  '\u2028': String.raw`\u2028`,
  '\u2029': String.raw`\u2029`,
}

/** An event of a stream that has nothing but data. */
export const dataOf = (json: string): string =>
  `data: ${json.replace(/[\n\r\u0085\u2028\u2029]/g, (end) => LINE_ENDS[end] as string)}\n\n`
