import { errorFields } from '../telemetry/log.ts'
import { isAnnounced, mergedFlags, missingFlags } from './notify-flags.ts'
import type { Log } from '../telemetry/log.ts'
import type { RedisConnection } from './connection.ts'

const SETTING = 'notify-keyspace-events'

interface NotifySettingOptions {
  readonly data: RedisConnection
  readonly notifyConfig: 'set' | 'check'
  readonly log: Log
}

/** The setting of Redis that turns notifications on, as it was seen last. */
export class NotifySetting {
  readonly #options: NotifySettingOptions
  /** As Redis reported them; undefined where CONFIG is forbidden. */
  flags: string | undefined

  constructor(options: NotifySettingOptions) {
    this.#options = options
  }

  /** The needed classes that are off. */
  get missing(): readonly string[] {
    return this.flags === undefined ? [] : missingFlags(this.flags)
  }

  /** False where the setting is known, and no write of a worker is announced by it. */
  get isAnnounced(): boolean {
    return this.flags === undefined || isAnnounced(this.flags)
  }

  /** The setting is known, and nothing is missing. */
  get isComplete(): boolean {
    return this.flags !== undefined && this.missing.length === 0
  }

  /** How an operator repairs it. */
  get repair(): string {
    if (this.flags === undefined) {
      return `set ${SETTING} to at least K$gt where the server is configured (CONFIG is forbidden here)`
    }
    const command = `CONFIG SET ${SETTING} "${mergedFlags(this.flags)}"`
    return `${SETTING} lacks ${this.missing.join('')}: run ${command} and set it in redis.conf, or let the gateway do it with NOTIFY_CONFIG=set`
  }

  /** Reads the setting and adds to it what is missing, if the gateway may. Resolves with whether it was changed. */
  async check(): Promise<boolean> {
    const { data, notifyConfig, log } = this.#options
    try {
      this.flags = (await data.client.configGet(SETTING))[SETTING] ?? ''
      if (this.missing.length === 0 || notifyConfig === 'check') return false
      const after = mergedFlags(this.flags)
      await data.client.configSet(SETTING, after)
      log.warn({ before: this.flags, after }, 'push.repaired')
      this.flags = after
      return true
    } catch (error) {
      // Managed services forbid CONFIG, and rights may be narrow: then the round trip alone tells.
      log.debug(errorFields(error), 'push.config_forbidden')
      return false
    }
  }
}
