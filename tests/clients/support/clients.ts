import { afterAll, beforeAll, inject } from 'vitest'
import { report } from '../../interop/support/report.ts'
import { startClient } from './client.ts'
import type { Installed } from '../install.ts'
import type { ClientError, Done, RunningClient } from './client.ts'

/** A client by the name that its tests have, and what it is made of. */
interface ClientKind {
  readonly name: string
  /** A directory or file of packages; see `install.ts`. */
  readonly packages: string
  readonly program: string
}

/** They ask for chat completions and embeddings. */
const CHAT_CLIENTS: readonly ClientKind[] = [
  { name: 'openai 6', packages: 'node-20', program: 'openai.mjs' },
  { name: 'openai 7', packages: 'node-22', program: 'openai.mjs' },
  { name: 'LangChain', packages: 'node-20', program: 'langchain.mjs' },
  { name: 'LangChain on Node 22', packages: 'node-22', program: 'langchain.mjs' },
  { name: 'AI SDK 6', packages: 'node-20', program: 'ai-sdk.mjs' },
  { name: 'AI SDK 7', packages: 'node-22', program: 'ai-sdk.mjs' },
  { name: 'openai for Python', packages: 'openai-3', program: 'openai_client.py' },
  {
    name: 'LangChain for Python',
    packages: 'langchain-llama-index',
    program: 'langchain_client.py',
  },
  { name: 'LlamaIndex', packages: 'langchain-llama-index', program: 'llama_index_client.py' },
]

/** They ask for responses. */
export const RESPONSES_CLIENTS: readonly ClientKind[] = [
  { name: 'openai 6', packages: 'node-20', program: 'openai-responses.mjs' },
  { name: 'openai 7', packages: 'node-22', program: 'openai-responses.mjs' },
  { name: 'openai for Python', packages: 'openai-3', program: 'openai_responses.py' },
]

/** They run a loop of responses and calls of tools. */
export const AGENTS: readonly ClientKind[] = [
  { name: 'OpenAI Agents', packages: 'node-22', program: 'agents.mjs' },
  { name: 'OpenAI Agents for Python', packages: 'openai-3', program: 'agents_client.py' },
]

/** A client in a test. Its requests are counted, for the summary of the run. */
export interface Client {
  readonly name: string
  /** Why it is not there; undefined where it is. */
  readonly missing: string | undefined
  do(task: string, asked: Readonly<Record<string, unknown>>): Promise<Done>
}

interface Held {
  readonly client: Client
  start(): Promise<void>
  end(): void
}

function held(kind: ClientKind): Held {
  const installed = inject('clients')[kind.packages]
  if (installed === undefined) throw new Error(`no packages ${kind.packages}`)
  const outcomes: Record<string, number> = {}
  let running: RunningClient | undefined
  const count = ({ error }: Done): void => {
    const outcome = error === undefined ? 'answered' : wordOf(error)
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  }
  return {
    client: {
      name: kind.name,
      missing: 'missing' in installed ? installed.missing : undefined,
      do: async (task, asked) => {
        if (running === undefined) throw new Error(`${kind.name} does not run`)
        const done = await running.do(task, asked)
        count(done)
        return done
      },
    },
    start: async () => {
      running = await startInstalled(installed, kind.program)
    },
    end: () => {
      if (running === undefined) return
      running.end()
      const { ready: program, on: runsOn } = running
      report({ kind: 'spoken', program, runsOn, outcomes, unit: 'calls' })
    },
  }
}

const wordOf = ({ status, code, name }: ClientError): string =>
  [status ?? name, code].filter((word) => word != null).join(' ')

async function startInstalled(installed: Installed, program: string): Promise<RunningClient> {
  if ('missing' in installed) throw new Error(installed.missing)
  const { command, args, directory, programs } = installed
  return startClient(command, [...args, `${programs}/${program}`], directory)
}

/** These clients, started before the tests of a file and ended after them. */
export function clientsOfFile(kinds = CHAT_CLIENTS): readonly Client[] {
  const all = kinds.map(held)
  beforeAll(async () => {
    const there = all.filter(({ client }) => client.missing === undefined)
    if (there.length === 0) throw new Error('none of the clients is installed')
    await Promise.all(there.map((one) => one.start()))
  }, 300_000)
  afterAll(() => {
    for (const one of all) one.end()
  })
  return all.map(({ client }) => client)
}

export const titleOf = ({ name, missing }: Client): string =>
  missing === undefined ? name : `${name}, not installed: ${missing}`

/** A line for the summary of the run. */
export const note = (line: string): void => report({ kind: 'notes', notes: [line] })
