import * as v from 'valibot'
import { dialectSettingNames, serversOf, sharedSettings } from '../src/config.ts'
import { Problems, readSettings } from '../src/read-settings.ts'
import { headerValue, integer, number, oneOf, text } from '../src/setting.ts'
import type { Env } from '../src/read-settings.ts'

const innerLlmUrl = v.pipe(
  text,
  v.regex(
    /^(https?:\/\/)?(\[[\da-f:]+\]|[\w.-]+)(:\d+)?(\/\S*)?$/i,
    'must be http://…, https://… or a host and port, without a login (see INNER_LLM_API_KEY)',
  ),
  v.check(
    (value) => URL.canParse(/^https?:/i.test(value) ? value : `http://${value}`),
    'must have a host and a port that exist',
  ),
)

const workerSettings = {
  ...sharedSettings,
  WORKER_CONCURRENCY: v.optional(integer(1, 65_535), '16'),
  ENGINE: v.optional(oneOf(['echo', 'openai'], 'must be echo or openai'), 'echo'),
  ECHO_DELAY_MS: v.optional(number(0, 86_400_000), '0'),
  ECHO_TOKENS_PER_S: v.optional(number(0, 1_000_000), '0'),
  ECHO_FAILURE_RATE: v.optional(number(0, 1), '0'),
  INNER_LLM_URL: v.optional(innerLlmUrl, 'localhost:8670'),
  INNER_LLM_MODEL: v.optional(text),
  INNER_LLM_API_KEY: v.optional(headerValue),
  INNER_LLM_TEMPERATURE: v.optional(number(0, 100)),
  INNER_LLM_MAX_TOKENS: v.optional(integer(1, 2 ** 31 - 1)),
  INNER_LLM_RETRY_S: v.optional(number(0, 86_400), '60'),
} as const

/** Every setting of the stub by name, for the test that holds .env.example and README against it. */
export const workerSettingNames = [...Object.keys(workerSettings), ...dialectSettingNames]

export type WorkerConfig = ReturnType<typeof readWorkerConfig>

/** Reads the stub's configuration or throws a ConfigError that names every bad variable. */
export function readWorkerConfig(env: Env) {
  const set = readSettings(workerSettings, env)
  const { INNER_LLM_MODEL: model, INNER_LLM_API_KEY: apiKey } = set
  const { INNER_LLM_TEMPERATURE: temperature, INNER_LLM_MAX_TOKENS: maxTokens } = set
  const problems = new Problems()
  const servers = serversOf(set, problems)
  problems.throwIfAny()
  return {
    ...servers,
    queue: set.QUEUE_NAME,
    concurrency: set.WORKER_CONCURRENCY,
    resultTtlMs: set.RESULT_TTL_S * 1000,
    stopGraceMs: set.STOP_GRACE_S * 1000,
    logLevel: set.LOG_LEVEL,
    engine: set.ENGINE,
    echo: {
      delayMs: set.ECHO_DELAY_MS,
      tokensPerS: set.ECHO_TOKENS_PER_S,
      failureRate: set.ECHO_FAILURE_RATE,
    },
    openai: {
      url: set.INNER_LLM_URL,
      ...(model !== undefined && { model }),
      ...(apiKey !== undefined && { apiKey }),
      ...(temperature !== undefined && { temperature }),
      ...(maxTokens !== undefined && { maxTokens }),
      patienceMs: set.INNER_LLM_RETRY_S * 1000,
    },
  } as const
}
