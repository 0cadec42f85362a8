import { expect, test } from 'vitest'
import { protollmV1 } from '../../src/dialects/protollm-v1.ts'
import { HeldClaim } from '../../src/gateway/held-claim.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import type { HeldClaimParts } from '../../src/gateway/held-claim.ts'
import type { Job } from '../../src/job.ts'
import type { Entered } from '../../src/redis/claims.ts'

const job: Job = {
  id: 'j',
  owner: '',
  queue: 'q',
  messages: [],
  meta: { temperature: null, tokensLimit: null, stopWords: null, model: null },
  priority: null,
  source: 'local',
}
const held: Entered = {
  verdict: 'conflict',
  run: 'other',
  isPublished: true,
  isAnswered: true,
  isLost: false,
  remainingMs: 1_000,
  ageMs: 0,
  createdAt: 0,
}

test('a link lost while another payload’s end is marked is told as such, and not as a fault of ours', async () => {
  const lost = () => Promise.reject(new Error('Socket closed unexpectedly'))
  const claims = {
    enter: lost,
    finish: lost,
    markPublished: lost,
    release: lost,
    leave: lost,
    cancel: lost,
    answer: lost,
    dropForeign: lost,
  } satisfies HeldClaimParts['claims']
  const claim = new HeldClaim(
    { job, wireId: 'j', fingerprint: 'f' },
    {
      dialect: protollmV1.create({ REDIS_PREFIX: 'p' }),
      claims,
      results: {
        take: async () => ({
          values: ['{"content":"x"}'],
          run: 'other',
          isCancelled: false,
          isFinished: false,
        }),
      },
      announceCancel: () => {},
      sweepEntry: (wireId) => wireId,
      jobTtlMs: 1_000,
      resultTtlMs: 1_000,
      log: createLog('silent'),
      metrics: createMetrics(),
    },
  )
  await expect(claim.enterAfterItsEnd(held)).rejects.toMatchObject({ code: 'results_down' })
})
