import { connect } from 'node:net'

/** Appends deltas to streams, evenly, as workers do. Each says its number and when it was written. */
export interface Production {
  readonly keys: readonly string[]
  readonly perSecondEach: number
  readonly ms: number
}

/** Written by hand, because a library would spend half a core, and that would be measured as the gateway's delay. */
const { hostname, port } = new URL(process.env.REDIS_URL as string)
const socket = connect(Number(port), hostname)
socket.setNoDelay(true)
let answered = 0
let onAnswer = (): void => {}
socket.on('data', (chunk) => {
  // Each reply is one bulk string, its id.
  for (const byte of chunk) if (byte === 0x24) answered += 1
  onAnswer()
})

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`

function xAdd(key: string, text: string): string {
  return `*5\r\n${bulk('XADD')}${bulk(key)}${bulk('*')}${bulk('text')}${bulk(text)}`
}

/** Microseconds by the clock of the machine, the same for all processes. */
const now = (): number => Number(process.hrtime.bigint() / 1000n)

async function produce({ keys, perSecondEach, ms }: Production): Promise<number> {
  const started = performance.now()
  const perMs = (keys.length * perSecondEach) / 1000
  const total = Math.round(perMs * ms)
  const before = answered
  for (let written = 0; written < total;) {
    const due = Math.min(total, Math.floor((performance.now() - started) * perMs))
    const at = now()
    let commands = ''
    for (; written < due; written += 1) {
      const number = Math.floor(written / keys.length)
      commands += xAdd(keys[written % keys.length] as string, `${number} ${at};`)
    }
    if (commands !== '') socket.write(commands)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  while (answered - before < total) await new Promise<void>((resolve) => (onAnswer = resolve))
  return total
}

process.on('message', (production: Production) => {
  void produce(production).then((written) => process.send?.(written))
})
process.send?.('ready')
