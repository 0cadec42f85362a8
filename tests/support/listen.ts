import { getRequestListener } from '@hono/node-server'
import { onTestFinished } from 'vitest'
import { Listener } from '../../src/http/listener.ts'
import type { Hono } from 'hono'
import type { HttpEnv } from '../../src/http/context.ts'

/** Serves an app on a free port, as the gateway does, and returns its URL. Closed after the test. */
export async function listen(app: Hono<HttpEnv>): Promise<string> {
  const listener = new Listener(getRequestListener(app.fetch))
  onTestFinished(() => listener.close(Promise.resolve(), 0))
  return listener.open({ host: '127.0.0.1', port: 0 })
}
