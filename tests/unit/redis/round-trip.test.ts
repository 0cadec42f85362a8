import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { RoundTrip, TURNS, TURN_MS } from '../../../src/redis/round-trip.ts'
import type { AddressInfo, Socket } from 'node:net'

afterEach(() => void vi.useRealTimers())

/** Two ends of a TCP connection. */
async function socketPair(): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [other] = await accepted
  onTestFinished(() => {
    for (const socket of [client, other]) socket.destroy()
    server.close()
  })
  return [client, other]
}

test('an event that came while the event loop stood still has come in time', async () => {
  const [client, server] = await socketPair()
  const trip = new RoundTrip()
  client.once('data', () => trip.arrived())
  server.write('event')
  const stalledUntil = performance.now() + TURNS * TURN_MS + 500
  while (performance.now() < stalledUntil);
  expect(await trip.ended).toBeGreaterThan(TURNS * TURN_MS)
})

test('an event that does not come is missing after two seconds, and no timer stays', async () => {
  vi.useFakeTimers()
  const trip = new RoundTrip()
  vi.advanceTimersByTime(2_250)
  expect(await trip.ended).toBe('unannounced')
  expect(vi.getTimerCount()).toBe(0)
})

test('a connection that was lost meanwhile shows nothing', async () => {
  vi.useFakeTimers()
  const trip = new RoundTrip()
  trip.cut()
  trip.arrived()
  expect(await trip.ended).toBe('cut')
  expect(vi.getTimerCount()).toBe(0)
})
