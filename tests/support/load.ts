import { randomUUID } from 'node:crypto'
import { Agent } from 'node:http'
import { generate } from './http-client.ts'

export interface LoadOptions {
  /** Asked in turn. */
  readonly urls: readonly string[]
  readonly total: number
  readonly concurrency: number
}

export interface LoadCounts {
  readonly right: number
  /** What came instead of the echo, for at most a few requests. */
  readonly wrong: readonly string[]
}

/** A request that has no answer by then hangs: it is counted, and not waited for. */
const HANGS_AFTER_MS = 30_000

/** Asks many different prompts of gateways whose workers echo them. An answer is right if it is this request's own echo. */
export async function askMany({ urls, total, concurrency }: LoadOptions): Promise<LoadCounts> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency })
  const wrong: string[] = []
  let next = 0
  let right = 0
  const work = async (): Promise<void> => {
    while (next < total) {
      const url = urls[next % urls.length] as string
      next += 1
      const id = randomUUID()
      const content = `payload of ${id}`
      const got = await answerOf(agent, url, id, content)
      if (got === `200 ${JSON.stringify({ content: `echo: ${content}` })}`) right += 1
      else if (wrong.length < 10) wrong.push(got)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  agent.destroy()
  return { right, wrong }
}

async function answerOf(agent: Agent, url: string, id: string, content: string): Promise<string> {
  try {
    const signal = AbortSignal.timeout(HANGS_AFTER_MS)
    const { status, body } = await generate(url, id, content, { agent, signal })
    return `${status} ${JSON.stringify(body)}`
  } catch (error) {
    return String(error)
  }
}
