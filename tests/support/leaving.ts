import { request } from 'node:http'

/** Asks, and closes the connection after so many milliseconds, answered or not. Resolves when it is closed. */
export function askUntil(url: string, id: string, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const body = JSON.stringify({ job_id: id, meta: {}, content: 'x' })
    const headers = { 'content-type': 'application/json', 'content-length': body.length }
    const sent = request(`${url}/generate`, { method: 'POST', headers, agent: false })
    sent.on('error', () => {})
    sent.on('close', resolve)
    sent.end(body)
    setTimeout(() => sent.destroy(), ms)
  })
}
