import { execFile } from 'node:child_process'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Completion } from '../../../worker-stub/engines/completion.ts'
import { MAX_CHARACTERS, SseReader } from '../../../worker-stub/engines/upstream/sse.ts'
import { C, D, F, ask, event } from '../../support/upstream.ts'

const MB = 2 ** 20

/** Reads a line of so many megabytes in pieces as they come from a network; returns the CPU time in ms. */
function costOf(megabytes: number, end: string): number {
  const line = C('x'.repeat(megabytes * MB)).replaceAll('\n', end)
  let length = 0
  const before = process.cpuUsage()
  const onEvent = (_: string, data: string): void => void (length = data.length)
  const reader = new SseReader({ onEvent, onJson: () => {} })
  for (let at = 0; at < line.length; at += 1_460) reader.feed(line.slice(at, at + 1_460))
  reader.end()
  const { user, system } = process.cpuUsage(before)
  expect(length).toBeGreaterThan(megabytes * MB)
  return (user + system) / 1_000
}

describe('a long line', () => {
  test.each(['\n', '\r\n', '\r'])(
    'costs its length and not the square, with line ends of %j',
    (end) => {
      const best = (megabytes: number): number =>
        Math.min(...[1, 2, 3].map(() => costOf(megabytes, end)))
      const [short, long] = [best(4), best(32)]
      // Eight times the length: the square would be 64 times the cost.
      expect(long / Math.max(short, 5)).toBeLessThan(24)
    },
  )

  test('of 16 MB from another process is an answer, and leaves other jobs their turn', async () => {
    const { url } = await serverOfLine(16)
    let longest = 0
    let last = performance.now()
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
    }, 10)
    onTestFinished(() => clearInterval(timer))
    const began = performance.now()
    const { outcome } = await ask(url, {}, AbortSignal.timeout(30_000))
    expect(outcome).toMatchObject({ kind: 'succeeded' })
    expect(outcome.kind === 'succeeded' && outcome.content.length).toBe(16 * MB)
    // Another job gets its turn while the line comes, and not only at its end.
    expect(longest).toBeLessThan((performance.now() - began) / 2)
  }, 40_000)

  test('is bounded', () => {
    const reader = new SseReader({ onEvent: () => {}, onJson: () => {} })
    const piece = 'x'.repeat(MB)
    const feed = (): void => {
      reader.feed('data: ')
      for (let fed = 0; fed <= MAX_CHARACTERS; fed += MB) reader.feed(piece)
    }
    expect(feed).toThrow('the answer has a line of more than')
    const text = new SseReader({ onEvent: () => {}, onJson: () => {} })
    const feedLines = (): void => {
      for (let fed = 0; fed <= MAX_CHARACTERS; fed += MB) text.feed(`{"${piece}\n`)
    }
    expect(feedLines).toThrow('the answer has a line of more than')
  })

  test('and so is an answer of many lines', () => {
    const completion = new Completion(() => {})
    const chunk = { choices: [{ delta: { content: 'x'.repeat(8 * MB) } }] }
    const add = (): void => {
      for (let count = 0; count < 9; count += 1) completion.add(chunk)
    }
    expect(add).toThrow('the answer is longer than')
  })

  test('brackets on many lines are no reason to parse all of it again and again', () => {
    const cost = (lines: number): number => {
      const before = process.cpuUsage()
      const reader = new SseReader({ onEvent: () => {}, onJson: () => {} })
      reader.feed(`{\n${'}\n'.repeat(lines)}`)
      reader.end()
      const { user, system } = process.cpuUsage(before)
      return (user + system) / 1_000
    }
    const best = (lines: number): number => Math.min(...[1, 2, 3].map(() => cost(lines)))
    const [few, many] = [best(4_000), best(32_000)]
    // Eight times the lines: the square would be 64 times the cost.
    expect(many / Math.max(few, 5)).toBeLessThan(24)
  })
})

/** In a process of its own: only the reading counts here. */
async function serverOfLine(megabytes: number): Promise<{ url: string }> {
  const script = `
    const [head, tail] = ${JSON.stringify(C('-').split('"-"'))}
    const line = Buffer.from(head + '"' + 'x'.repeat(${megabytes * MB}) + '"' + tail)
    const server = require('node:http').createServer((_, response) => {
      response.socket.setNoDelay()
      for (let at = 0; at < line.length; at += 1460) response.write(line.subarray(at, at + 1460))
      response.end(${JSON.stringify(F() + event({ choices: [] }) + D)})
    })
    server.listen(0, '127.0.0.1', () => console.log(server.address().port))`
  const child = execFile(process.execPath, ['-e', script])
  onTestFinished(() => void child.kill('SIGKILL'))
  const port = await new Promise<string>((resolve) => child.stdout?.once('data', resolve))
  return { url: `http://127.0.0.1:${port.trim()}` }
}
