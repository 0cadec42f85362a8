import { connect, createServer } from 'node:net'
import type { Server } from './server.ts'

/** The first bytes each side says: what tells a server that is up from an open port. */
const HELLO: Record<Server['name'] | 'epmd', { greeting: Buffer; answer: string }> = {
  Redis: { greeting: Buffer.from('PING\r\n'), answer: '+PONG' },
  RabbitMQ: { greeting: Buffer.from('AMQP\0\0\x09\x01', 'latin1'), answer: '\x01' },
  epmd: { greeting: Buffer.from('\0\x01n', 'latin1'), answer: '\0' },
}

/** Whether the program on this port of this machine speaks its protocol yet. */
export function answers(name: keyof typeof HELLO, port: number): Promise<boolean> {
  const { greeting, answer } = HELLO[name]
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.setTimeout(1000)
    const end = (up: boolean) => {
      socket.destroy()
      resolve(up)
    }
    socket.once('connect', () => socket.write(greeting))
    socket.once('data', (data) => end(data.toString('latin1').startsWith(answer)))
    for (const event of ['error', 'timeout', 'close']) socket.once(event, () => end(false))
  })
}

/** A port that no program listens on at this moment. Another program may take it before its use. */
export async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', resolve)
  })
  const address = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
