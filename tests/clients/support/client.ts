import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** What a user of a client finds in an error. */
export interface ClientError {
  readonly name: string
  readonly status?: number | null
  readonly code?: string | null
  readonly param?: string | null
  readonly type?: string | null
  readonly message?: string
}

/** What came of a task; `text` beside an error is what was read before it. */
export interface Done {
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: ClientError
  readonly text?: string
}

/** A client that stays as its package has it, in a process of its own with a program of ours around it. */
export interface RunningClient {
  /** Packages with their versions, and what they run on. */
  readonly ready: string
  readonly on: string
  do(task: string, asked: Readonly<Record<string, unknown>>): Promise<Done>
  end(): void
}

/** LlamaIndex imports for ten seconds, and on a busy machine, where all clients start at once, for over a minute. */
const STARTS_WITHIN_MS = 240_000

export async function startClient(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<RunningClient> {
  const env = { PATH: process.env.PATH, NODE_NO_WARNINGS: '1', HOME: cwd }
  // It ends when its input does, so also when this process is gone.
  const child = spawn(command, args, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-4_000)
  })
  const waiting = new Map<number, (done: Done) => void>()
  const ready = new Promise<{ ready: string; on: string }>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${args[0]} does not start`)), STARTS_WITHIN_MS)
    createInterface({ input: child.stdout }).on('line', (line) => {
      // A package may write words of its own.
      if (!line.startsWith('{')) return
      const said = JSON.parse(line) as Done & { id?: number; ready?: string; on?: string }
      if (said.id !== undefined) waiting.get(said.id)?.(said)
      else if (said.ready !== undefined) {
        clearTimeout(late)
        resolve({ ready: said.ready, on: said.on ?? '' })
      }
    })
    child.once('error', reject)
    child.once('exit', (code) => {
      clearTimeout(late)
      reject(new Error(`${args[0]} ended with ${code}:\n${errors}`))
    })
  })
  let count = 0
  return {
    ...(await ready),
    do: (task, asked) =>
      new Promise((resolve) => {
        const id = (count += 1)
        waiting.set(id, (done) => {
          waiting.delete(id)
          resolve(done)
        })
        child.stdin.write(`${JSON.stringify({ id, task, ...asked })}\n`)
      }),
    end: () => {
      child.stdin.end()
      child.kill('SIGKILL')
    },
  }
}
