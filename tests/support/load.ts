import { randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'

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

/**
 * Asks many different prompts of gateways whose workers echo them. An answer is
 * right if it is this request's own echo; each request has a deadline, so that
 * one that hangs is counted and not waited for.
 */
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
      const got = await ask(agent, url, { job_id: id, meta: {}, content })
      if (got === `200 ${JSON.stringify({ content: `echo: ${content}` })}`) right += 1
      else if (wrong.length < 10) wrong.push(got)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  agent.destroy()
  return { right, wrong }
}

function ask(agent: Agent, url: string, body: object): Promise<string> {
  return new Promise((resolve) => {
    const text = JSON.stringify(body)
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    }
    const options = { method: 'POST', agent, headers, timeout: 30_000 }
    const sent = request(`${url}/generate`, options, (response) => {
      let answer = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (answer += chunk))
      response.on('end', () => resolve(`${response.statusCode} ${answer}`))
    })
    sent.on('timeout', () => sent.destroy(new Error('hung')))
    sent.on('error', (error) => resolve(error.message))
    sent.end(text)
  })
}
