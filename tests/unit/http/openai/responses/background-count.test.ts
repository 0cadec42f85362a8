import { expect, test, vi } from 'vitest'
import { GatewayError, overloaded } from '../../../../../src/errors.ts'
import { appWith, v1 } from '../../../../support/app.ts'
import { MODELS } from '../../../../support/openai.ts'
import type { ErrorCode } from '../../../../../src/errors.ts'

/** Asks for a background response that the gateway refuses. `isFirst`: no request had been counted for it. */
async function refused(isFirst: boolean, error: GatewayError) {
  const leave = vi.fn<(id: string) => Promise<void>>(async () => {})
  const submit = async () => {
    throw error
  }
  const { post } = appWith(
    undefined,
    1_000,
    { submit },
    { models: MODELS, v1: { ...v1, background: { enter: async () => isFirst, leave } } },
  )
  const body = { model: 'whole', input: 'x', background: true }
  const { status, json } = await post('/v1/responses', body, { 'idempotency-key': 'k' })
  return { status, json, leave }
}

test('a background response that is refused takes no place', async () => {
  const { status, leave } = await refused(true, overloaded())
  expect(status).toBe(503)
  expect(leave).toHaveBeenCalledOnce()
})

test('one that an earlier request has begun keeps its place where a later request is refused', async () => {
  const { status, leave } = await refused(false, overloaded())
  expect(status).toBe(503)
  expect(leave).not.toHaveBeenCalled()
})

test.each<ErrorCode>(['acceptance_unknown', 'interrupted', 'timed_out'])(
  'one that may run keeps its place: %s',
  async (code) => {
    const { leave } = await refused(true, new GatewayError(code, 'x'))
    expect(leave).not.toHaveBeenCalled()
  },
)
