import { defineConfig } from 'vitest/config'

const root = new URL('..', import.meta.url).pathname

const withServers = {
  globalSetup: 'tests/support/global-setup.ts',
  // The tests measure nothing, but two at a time on a small machine would starve each other's servers.
  fileParallelism: false,
  testTimeout: 30_000,
  hookTimeout: 30_000,
}

/** `unit` needs nothing outside the process; `servers` gets RabbitMQ and Redis of its own, private to the run. */
export default defineConfig({
  root,
  test: {
    projects: [
      {
        root,
        test: {
          name: 'unit',
          include: ['tests/unit/**/*.test.ts', 'tests/dialects/**/*.test.ts'],
        },
      },
      {
        root,
        test: {
          // Every fault, the long ones too; `npm run test:faults`.
          name: 'faults',
          include: process.env.FAULTS === 'all' ? ['tests/faults/**/*.test.ts'] : [],
          ...withServers,
        },
      },
      {
        root,
        test: {
          // Real workers and clients in Python; `npm run test:interop`.
          name: 'interop',
          include: process.env.INTEROP === 'all' ? ['tests/interop/**/*.test.ts'] : [],
          ...withServers,
          globalSetup: [withServers.globalSetup, 'tests/interop/global-setup.ts'],
          testTimeout: 120_000,
        },
      },
      {
        root,
        test: {
          name: 'servers',
          include: ['tests/{integration,e2e,security}/**/*.test.ts', 'tests/faults/*.test.ts'],
          ...withServers,
        },
      },
    ],
  },
})
