import { defineConfig } from 'vitest/config'
import { LongestFirst } from './support/longest-first.ts'

const root = new URL('..', import.meta.url).pathname

const withServers = {
  globalSetup: 'tests/support/global-setup.ts',
  // Far above what any needs: a machine that is busy elsewhere must not fail them.
  testTimeout: 60_000,
  hookTimeout: 120_000,
}

/**
 * So many files at once. A test with a queue and keys of its own waits more than
 * it works, and one that disturbs a server has a server of its own; on two cores
 * a fourth file beside them would only make all of them slow.
 */
const SIDE_BY_SIDE = 3

/** Projects that take long run only by their own command, which sets TESTS. */
const only = (tests: string, ...files: string[]): string[] =>
  process.env.TESTS === tests ? files : []

export default defineConfig({
  root,
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        root,
        test: {
          // Needs nothing outside the process.
          name: 'unit',
          include: ['tests/unit/**/*.test.ts', 'tests/dialects/**/*.test.ts'],
          isolate: false,
          maxWorkers: SIDE_BY_SIDE,
          // On a busy machine a seeded stream of events may take longer than the usual 5 s.
          testTimeout: 30_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        root,
        test: {
          // RabbitMQ and Redis of its own, private to the run.
          name: 'servers',
          include: [
            'tests/{integration,e2e,security,upgrade}/**/*.test.ts',
            'tests/faults/*.test.ts',
          ],
          ...withServers,
          maxWorkers: SIDE_BY_SIDE,
          sequence: { groupOrder: 2 },
        },
      },
      {
        root,
        test: {
          // The same with more kills, jobs and seconds, one file at a time; `npm run test:long`.
          name: 'long',
          include: only(
            'long',
            'tests/clients/codex.test.ts',
            'tests/e2e/{streams,background-kills,load,large-bodies,announced-workers}.test.ts',
            'tests/integration/claims.test.ts',
            'tests/unit/settings-fuzz.test.ts',
            'tests/unit/worker-stub/random-sse.test.ts',
            'tests/faults/{redis,probe,broker,gateway}.test.ts',
          ),
          ...withServers,
          fileParallelism: false,
        },
      },
      {
        root,
        test: {
          // Every fault, and the soak; `npm run test:faults`.
          name: 'faults',
          include: only('faults', 'tests/faults/**/*.test.ts'),
          ...withServers,
          fileParallelism: false,
        },
      },
      {
        root,
        test: {
          // Real workers and clients in Python; `npm run test:interop`.
          name: 'interop',
          include: only('interop', 'tests/interop/**/*.test.ts'),
          ...withServers,
          maxWorkers: SIDE_BY_SIDE,
          sequence: { groupOrder: 3 },
          globalSetup: [withServers.globalSetup, 'tests/interop/global-setup.ts'],
          testTimeout: 120_000,
        },
      },
      {
        root,
        test: {
          // Real clients of the OpenAI API; `npm run test:clients`.
          name: 'clients',
          include: only('clients', 'tests/clients/**/*.test.ts'),
          ...withServers,
          maxWorkers: SIDE_BY_SIDE,
          sequence: { groupOrder: 4 },
          globalSetup: [withServers.globalSetup, 'tests/clients/global-setup.ts'],
          testTimeout: 60_000,
        },
      },
    ],
  },
})
