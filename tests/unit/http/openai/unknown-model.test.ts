import { expect, test } from 'vitest'
import { modelsOf, openAiApp } from '../../../support/openai.ts'

test('a model without a route is a 503 as long as workers may not have been heard, with the time to wait', async () => {
  let settlesInMs = 7_200
  const models = { ...modelsOf({ known: {} }), settlesInMs: () => settlesInMs }
  const { app, post } = openAiApp(undefined, { models })
  const ask = () => post('/v1/chat/completions', { model: 'later', messages: [] })
  const asked = [await ask(), await app.request('/v1/models/later')]
  for (const { status, headers } of asked) {
    expect([status, headers.get('retry-after')]).toEqual([503, '8'])
  }
  expect((await ask()).json.error).toMatchObject({ param: 'model', code: 'model_unknown_yet' })
  expect((await app.request('/v1/models/known')).status).toBe(200)
  settlesInMs = 0
  expect((await ask()).json.error).toMatchObject({ code: 'model_not_found' })
  expect((await app.request('/v1/models/later')).status).toBe(404)
})
