import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { jobEvents } from '../../src/http/native/job-events.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { submit } from '../support/http-client.ts'
import { startPlainWorker, testScene, startGateway } from '../support/scene.ts'
import { goClient, javaClient } from './compiled.ts'
import { environmentOf, isMissing, whyMissing } from './support/environment.ts'
import { report } from './support/report.ts'
import type { Context } from 'hono'
import type { AddressInfo } from 'node:net'
import type { HttpEnv } from '../../src/http/context.ts'
import type { Client } from './compiled.ts'

const run = promisify(execFile)

/** What a client says that it has read. */
interface Read {
  readonly client: string
  readonly held: string
  readonly text: string
  readonly end: string
  readonly resumed: string
  readonly pings: readonly string[]
}

const HELD = 'held\u2028answer'
/** Everything that ends a line for one reader or another, and more than any of them holds in one line. */
const PIECES = [
  'short ',
  'a\u2028b\u2029c\u0085d\re\nf ',
  '👋'.repeat(20_000),
  'я"\u0001'.repeat(10_000),
]
const REST = ' rest \u2028'.repeat(9_000)
const TEXT = PIECES.join('') + REST

/** A stream with a ping between all events, as the gateway writes them. Silence of 15 s would be too long for a test. */
async function withPings(): Promise<string> {
  const c = { env: { requestId: 'r' }, req: { path: '/' } } as Context<HttpEnv>
  const writer = jobEvents(c, createLog('silent'))
  const outcome = { kind: 'succeeded', content: 'ab' } as const
  const view = { id: 'j', status: 'succeeded', createdAt: 1, finishedAt: 2, outcome } as const
  const batches = [
    [{ kind: 'status', status: 'queued' }],
    [{ kind: 'delta', id: '1-1', text: 'a' }],
    [{ kind: 'delta', id: '1-2', text: 'b' }],
    [{ kind: 'done', id: 'done', view }],
  ] as const
  const body = batches.map((batch) => writer.ping() + writer.events(batch)).join('')
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' }).end(body)
  })
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

/** A gateway with a job that has ended and was streamed in part, and a worker for what is held. */
async function scene() {
  const { settings, stream, answer } = await testScene()
  const { url } = await startGateway(settings)
  await startPlainWorker(settings, ({ id, content }) => (id === 'job' ? undefined : content))
  await submit(url, { job_id: 'job', content: 'x' })
  for (const text of PIECES) await stream('job', { text })
  await answer('job', { content: TEXT })
  return { url, args: [url, 'job', await withPings()] }
}

/** What every client must have read. */
const WHOLE = {
  held: HELD,
  end: 'done',
  pings: ['status', 'delta', 'delta', 'done'],
  text: true,
  resumed: true,
}

/** Reports the client, and says whether its texts are right: their difference would fill the screen. */
function checked({ client, held, text, resumed, end, pings }: Read): typeof WHOLE {
  const outcomes = { held: 1, streamed: 1, resumed: 1, 'with pings': 1 }
  report({ kind: 'spoken', program: client, runsOn: 'this machine', unit: 'answers', outcomes })
  return { held, end, pings: [...pings], text: text === TEXT, resumed: resumed === TEXT }
}

/** The events of a stream, by its lines. */
function eventsOf(text: string): { name: string; id: string; text: string }[] {
  let id = ''
  return text.split('\n\n').flatMap((block) => {
    const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s)))
    id = (fields.id as string | undefined) ?? id
    if (fields.data === undefined) return []
    return [{ name: String(fields.event), id, text: textOf(String(fields.data)) }]
  })
}

const textOf = (data: string): string => (JSON.parse(data) as { text?: string }).text ?? ''

interface Fetched {
  readonly url: string
  readonly args: readonly string[]
  readonly get: (url: string, lastId?: string) => Promise<string>
  readonly held: string
}

/** What a client reads that gives the whole text of an answer. */
async function readBy(client: string, { url, args, get, held }: Fetched): Promise<Read> {
  const [, , pings = ''] = args
  const found = eventsOf(await get(`${url}/jobs/job/events`))
  const half = Math.floor(found.length / 2)
  const rest = eventsOf(await get(`${url}/jobs/job/events`, found[half]?.id))
  const joined = (events: typeof found): string => events.map(({ text }) => text).join('')
  return {
    client,
    held: (JSON.parse(held) as { content: string }).content,
    text: joined(found),
    end: found.at(-1)?.name ?? '',
    resumed: joined(found.slice(0, half + 1)) + joined(rest),
    pings: eventsOf(await get(pings)).map(({ name }) => name),
  }
}

const bodyOf = (id: string): string => JSON.stringify({ job_id: id, meta: {}, content: HELD })
const BUFFER = { maxBuffer: 64 << 20 }

describe('a held answer, a stream and a resume are read', () => {
  test('by curl', async () => {
    const { url, args } = await scene()
    const curl = async (...more: string[]): Promise<string> =>
      (await run('curl', ['-sSN', '--max-time', '20', ...more], BUFFER)).stdout
    const get = (from: string, lastId?: string) =>
      curl(from, ...(lastId === undefined ? [] : ['-H', `Last-Event-ID: ${lastId}`]))
    const type = ['-H', 'content-type: application/json']
    const held = await curl(`${url}/generate`, ...type, '-d', bodyOf('held-curl'))
    const [version = ''] = (await curl('--version')).split('\n')
    expect(checked(await readBy(version, { url, args, get, held }))).toEqual(WHOLE)
  })

  test('by undici, which is the fetch of Node', async () => {
    const { url, args } = await scene()
    const get = async (from: string, lastId?: string): Promise<string> => {
      const headers: Record<string, string> =
        lastId === undefined ? {} : { 'last-event-id': lastId }
      return (await fetch(from, { headers })).text()
    }
    const headers = { 'content-type': 'application/json' }
    const init = { method: 'POST', headers, body: bodyOf('held-undici') }
    const held = await (await fetch(`${url}/generate`, init)).text()
    const client = `undici ${process.versions.undici}`
    expect(checked(await readBy(client, { url, args, get, held }))).toEqual(WHOLE)
  })

  const environment = environmentOf('http-clients')
  test.skipIf(isMissing(environment))(
    `by requests, httpx, httpx-sse and aiohttp${whyMissing(environment)}`,
    async () => {
      const python = 'python' in environment ? environment.python : ''
      const { args } = await scene()
      const script = fileURLToPath(new URL('clients/http_clients.py', import.meta.url))
      const { stdout } = await run(python, [script, ...args], BUFFER)
      const reads = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Read)
      expect(reads.map(({ client }) => client.split(' ')[0])).toEqual([
        'requests',
        'httpx',
        'httpx-sse',
        'aiohttp',
      ])
      for (const read of reads) expect(checked(read)).toEqual(WHOLE)
    },
  )

  test('by Go, or by the rules of its bufio.Scanner', async () => {
    const { url, args } = await scene()
    const go = await goClient()
    const isThere = 'command' in go
    const read = isThere ? checked(await readByGo(go, args)) : await linesOf(url, 'Go', go)
    expect(read).toEqual(isThere ? WHOLE : READABLE)
  })

  test('by Java, or by the rules of its lines', async () => {
    const { url, args } = await scene()
    const java = await javaClient()
    const isThere = 'command' in java
    const read = isThere ? checked(await readByJava(java, args)) : await linesOf(url, 'Java', java)
    expect(read).toEqual(isThere ? WHOLE : READABLE)
  })
})

type Program = Extract<Client, { command: string }>

async function readByGo(go: Program, args: readonly string[]): Promise<Read> {
  const { stdout } = await run(go.command, [...go.args, ...args], BUFFER)
  return JSON.parse(stdout) as Read
}

async function readByJava(java: Program, args: readonly string[]): Promise<Read> {
  const { stdout } = await run(java.command, [...java.args, ...args], BUFFER)
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))
  const part = (name: string) => rows.filter(([its]) => its === name)
  const joined = (name: string): string =>
    part(name)
      .map(([, , , data = '']) => textOf(data))
      .join('')
  return {
    client: part('client')[0]?.[3] ?? '',
    held: (JSON.parse(part('held')[0]?.[3] ?? '') as { content: string }).content,
    text: joined('text'),
    end: part('text').at(-1)?.[1] ?? '',
    resumed: joined('resumed'),
    pings: part('pings').map(([, name = '']) => name),
  }
}

/**
 * Where a language is not installed: no line of the stream is longer than Go's bufio.Scanner
 * takes (MaxScanTokenSize, 64 * 1024, with the end of the line), and none holds what
 * BufferedReader of Java takes for an end (\n, \r, \r\n).
 */
async function linesOf(
  url: string,
  name: string,
  { missing }: Extract<Client, { missing: string }>,
) {
  report({ kind: 'missing', name, why: `${missing}\nChecked by its rules for lines instead.` })
  const lines = (await (await fetch(`${url}/jobs/job/events`)).text()).split('\n')
  const longest = Math.max(...lines.map((line) => Buffer.byteLength(line) + 1))
  return {
    areShort: longest < 64 * 1024,
    haveNoReturn: lines.every((line) => !line.includes('\r')),
  }
}

const READABLE = { areShort: true, haveNoReturn: true }
