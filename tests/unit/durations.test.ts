import { describe, expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { BLIP_MS } from '../../src/gateway/admission.ts'
import { KEPT_ENTRIES } from '../../src/gateway/event-log.ts'
import { LAST_LOOK_MS } from '../../src/gateway/gateway.ts'
import {
  ASK_AGAIN_MS,
  CLAIM_GRACE_MS,
  CONFIRM_WITHIN_MS,
  MARK_AFTER_MS,
} from '../../src/gateway/job-state.ts'
import { LOOK_AGAIN_MS } from '../../src/gateway/job-view.ts'
import { REPUBLISH_WITHIN_MS } from '../../src/gateway/publish.ts'
import {
  CHECK_EVERY_MS,
  HEAD_WITHIN_MS,
  KEEP_ALIVE_MS,
  REQUEST_WITHIN_MS,
} from '../../src/http/listener.ts'
import { PING_MS } from '../../src/http/sse.ts'
import { CONFIRM_DEADLINE_MS } from '../../src/rabbitmq/broker.ts'
import { HEARTBEAT_S } from '../../src/rabbitmq/connect.ts'
import { SILENT_TICKS, TICK_MS } from '../../src/redis/connection.ts'
import * as probe from '../../src/redis/probe.ts'
import { GRACE_MS } from '../../src/redis/push.ts'
import { READ_WITHIN_MS } from '../../src/redis/record/lua.ts'
import { FAREWELL_MS } from '../../src/server.ts'
import { MAY_BE_TRIMMED } from '../../src/redis/deltas.ts'
import { INTERVAL_MS, MAX_CHUNK_ENTRIES, MAX_ENTRIES } from '../../worker-stub/delta-writer.ts'

/** A PING is sent every second look; one that is not answered for so many looks ends every command before it. */
const COMMAND_MS = TICK_MS * (2 + SILENT_TICKS)
/** The common load balancers and proxies close a connection on which nothing comes for this long. */
const PROXY_MS = 30_000
const BALANCER_MS = 60_000

const { gateway, stopGraceMs } = readConfig({})

describe('a claim', () => {
  test('is marked as published before another replica may take it over, however slow Redis is', () => {
    expect(MARK_AFTER_MS + COMMAND_MS).toBeLessThan(CLAIM_GRACE_MS)
  })

  test('of a job that is read without a mark is known by a life that no later reader gives', () => {
    expect(READ_WITHIN_MS).toBeGreaterThan(MARK_AFTER_MS)
    expect(READ_WITHIN_MS).toBeLessThan(CLAIM_GRACE_MS)
  })

  test('is looked at several times before its job is marked, and again before it is taken over', () => {
    for (const again of [ASK_AGAIN_MS, LOOK_AGAIN_MS]) {
      expect(again * 5).toBeLessThanOrEqual(MARK_AFTER_MS)
    }
    // Until then a client that was promised its acceptance has it looked at that often.
    expect(2 * MARK_AFTER_MS).toBeLessThan(CLAIM_GRACE_MS)
  })

  test('stands for longer than a request is held, and its result as well', () => {
    expect(gateway.jobTtlMs).toBeGreaterThan(gateway.timeoutMs)
    expect(gateway.resultTtlMs).toBeGreaterThanOrEqual(gateway.timeoutMs)
    expect(gateway.jobTtlMs).toBeGreaterThan(CLAIM_GRACE_MS)
  })
})

describe('the broker', () => {
  test('is known to be silent before a request is answered that its acceptance is unknown', () => {
    expect(CONFIRM_WITHIN_MS).toBeGreaterThan(CONFIRM_DEADLINE_MS)
    // Its heartbeat gives it up after two to three intervals.
    expect(CONFIRM_WITHIN_MS).toBeGreaterThanOrEqual(3 * HEARTBEAT_S * 1_000)
  })

  test('that comes back gets the message again before that', () => {
    expect(REPUBLISH_WITHIN_MS).toBeLessThan(CONFIRM_WITHIN_MS)
  })

  test('that owes a confirm is given up before the request’s own time is over', () => {
    expect(CONFIRM_WITHIN_MS).toBeLessThan(gateway.timeoutMs)
  })
})

describe('Redis', () => {
  test('that was lost for a moment costs a request no more time to subscribe than to be admitted', () => {
    expect(GRACE_MS).toBeGreaterThanOrEqual(BLIP_MS)
  })

  test('that is silent is not waited for by the last look of a request, whose time is over', () => {
    expect(LAST_LOOK_MS).toBeLessThan(COMMAND_MS)
  })

  test('has the answer to a probe before the next one, and its key until after that', () => {
    expect(probe.DEADLINE_MS).toBeLessThan(probe.INTERVAL_MS)
    expect(probe.PROBE_TTL_MS).toBeGreaterThan(2 * probe.INTERVAL_MS)
    // The watchdog tells of a silent connection, and not a probe that was too slow.
    expect(probe.DEADLINE_MS).toBeLessThan(COMMAND_MS)
  })
})

describe('a connection of a client', () => {
  test('that carries events is never silent for so long that a proxy closes it', () => {
    // A comment is left out where something was written in the half interval before.
    expect(1.5 * PING_MS).toBeLessThan(PROXY_MS)
  })

  test('that is idle is closed by the load balancer, and not by us', () => {
    expect(KEEP_ALIVE_MS).toBeGreaterThan(BALANCER_MS)
  })

  test('has its slow requests found soon after their time', () => {
    expect(HEAD_WITHIN_MS).toBeLessThan(REQUEST_WITHIN_MS)
    expect(CHECK_EVERY_MS * 5).toBeLessThanOrEqual(HEAD_WITHIN_MS)
  })

  test('hears of a stop before its grace is over', () => {
    expect(FAREWELL_MS).toBeLessThan(stopGraceMs)
  })
})

describe('the deltas', () => {
  test('that the stub keeps are no fewer than readers rely on', () => {
    expect(MAX_ENTRIES).toBeGreaterThanOrEqual(KEPT_ENTRIES)
    expect(MAY_BE_TRIMMED).toBe(KEPT_ENTRIES)
  })

  test('of a response are not cut within a job’s life', () => {
    expect(MAX_CHUNK_ENTRIES * INTERVAL_MS).toBeGreaterThan(gateway.jobTtlMs)
  })

  test('of the longest usual answer are not cut at the head', () => {
    expect(MAX_ENTRIES * INTERVAL_MS).toBeGreaterThan(gateway.timeoutMs)
  })
})
