import { ConfigError } from './config.ts'
import { faultFields } from './telemetry/log.ts'
import type { Env } from './config.ts'
import type { Log } from './telemetry/log.ts'

/** sysexits.h EX_CONFIG: a supervisor should not try again. */
const BAD_CONFIG = 78

/** The program's settings; with bad ones it says which and ends. */
export function configOrExit<T>(read: (env: Env) => T): T {
  try {
    return read(process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    return process.exit(BAD_CONFIG)
  }
}

/** A promise that nobody awaited is a defect, and no reason to break off every request that is held. */
export function surviveRejections(log: Log): void {
  process.on('unhandledRejection', (error) => {
    log.error(faultFields(error), 'program.unhandled_rejection')
  })
}

/** One Ctrl-C can arrive twice, from the terminal and by way of npm: what follows so soon is the same one. */
const SAME_SIGNAL_MS = 500

/** The first SIGTERM or SIGINT stops the program in order, the second one at once. */
export function stopOnSignal(log: Log, stop: () => Promise<void>): void {
  let stoppingSince: number | undefined
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stoppingSince !== undefined) {
        if (performance.now() - stoppingSince > SAME_SIGNAL_MS) process.exit(1)
        return
      }
      stoppingSince = performance.now()
      log.info({ signal }, 'program.stopping')
      void stop().then(
        () => {
          log.info('program.stopped')
          process.exit(0)
        },
        (error: unknown) => {
          log.fatal(faultFields(error), 'program.stop_failed')
          process.exit(1)
        },
      )
    })
  }
}
