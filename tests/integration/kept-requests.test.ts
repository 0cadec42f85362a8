import { expect, test } from 'vitest'
import { KeptRequests } from '../../src/redis/record/kept-requests.ts'
import { MAX_RESULT_BYTES } from '../../src/redis/record/values.ts'
import { recordScene } from '../support/job-records.ts'

test('what is kept of a request is refused where it is too large to be read again', async () => {
  const { connection, redis, keys } = await recordScene()
  const kept = new KeptRequests(connection.client)
  // Two bytes each.
  const most = 'ä'.repeat(MAX_RESULT_BYTES / 2)
  await expect(kept.put(keys, `${most}!`, 60_000)).rejects.toMatchObject({
    code: 'message_too_large',
  })
  expect(await redis.exists(keys.kept)).toBe(0)
  await kept.put(keys, most, 60_000)
  expect((await kept.get(keys)) === most).toBe(true)
})
