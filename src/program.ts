import { ConfigError } from './config.ts'
import { misspelledIn } from './misspelled-settings.ts'
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
    if (error instanceof ConfigError) {
      process.stderr.write(`${error.message}\n`)
      return process.exit(BAD_CONFIG)
    }
    process.stderr.write(`the settings could not be read\n${placesOf(error)}\n`)
    return process.exit(1)
  }
}

/** A misspelled setting has no effect. The value may be a password, so the log has the name alone. */
export function warnOfMisspelled(log: Log, settings: readonly string[]): void {
  for (const found of misspelledIn(process.env, settings)) log.warn(found, 'settings.unknown_name')
}

/** Where an error comes from, without its message and its properties: both may carry a setting. */
function placesOf(error: unknown): string {
  const lines = (error instanceof Error && error.stack?.split('\n')) || []
  return lines.filter((line) => /^ +at /.test(line)).join('\n')
}

/**
 * A rejected promise without a handler is a defect, and no reason to end all the requests that
 * are held. An exception without a handler ends the program. Node itself would print all its
 * properties, and among those of a wrong URL is the URL with its password.
 */
export function logDefects(log: Log): void {
  process.on('unhandledRejection', (error) => {
    log.error(faultFields(error), 'program.unhandled_rejection')
  })
  process.on('uncaughtException', (error) => {
    log.fatal(faultFields(error), 'program.crashed')
    process.exit(1)
  })
}

/** One Ctrl-C can arrive twice, from the terminal and through npm: what follows so soon is the same one. */
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
