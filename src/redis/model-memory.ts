import { modelsKey } from './keys.ts'
import type { ModelMemory } from '../models.ts'
import type { RedisClient } from './connection.ts'

/**
 * Adds what a gateway knows, drops what was announced too long ago, and returns what is left:
 * field, whether verbatim, first and last time, for each model one after the other. Of two gateways
 * the one that has heard a model later is right about it. All times are by the clock of Redis.
 */
const EXCHANGE = `
local key, life = KEYS[1], tonumber(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local models = {}
local stored = redis.call('HGETALL', key)
for i = 1, #stored, 2 do
  local isJson, model = pcall(cjson.decode, stored[i + 1])
  local isModel = isJson and type(model) == 'table' and type(model.heard) == 'number' and type(model.created) == 'number'
  if isModel and now - model.heard < life then models[stored[i]] = model
  else redis.call('HDEL', key, stored[i]) end
end
for _, told in ipairs(cjson.decode(ARGV[2])) do
  local model = {verbatim = told.verbatim, created = told.created, heard = now - told.age}
  local known = models[told.field]
  if known then model.created = math.min(model.created, known.created) end
  if not known or model.heard > known.heard then
    models[told.field] = model
    redis.call('HSET', key, told.field, cjson.encode(model))
  end
end
redis.call('PEXPIRE', key, life)
local reply = {}
for field, model in pairs(models) do
  for _, value in ipairs({field, model.verbatim and 1 or 0, model.created, now - model.heard}) do
    reply[#reply + 1] = value
  end
end
return reply
`

/**
 * The models that workers have announced within `lifeMs`, as all gateways know them together, after
 * this one has added what it knows.
 */
export async function exchangeModels(
  client: RedisClient,
  prefix: string,
  known: readonly ModelMemory[],
  lifeMs: number,
): Promise<readonly ModelMemory[]> {
  const told = known.map(({ queue, name, isVerbatim: verbatim, createdAt: created, ageMs }) => ({
    field: JSON.stringify([queue, name]),
    verbatim,
    created,
    age: Math.round(ageMs),
  }))
  const values = [String(lifeMs), JSON.stringify(told)]
  const reply = await client.eval(EXCHANGE, { keys: [modelsKey(prefix)], arguments: values })
  return modelsIn(reply as unknown as (string | number)[])
}

function modelsIn(reply: readonly (string | number)[]): ModelMemory[] {
  const models: ModelMemory[] = []
  for (let at = 0; at + 3 < reply.length; at += 4) {
    const [field, verbatim, createdAt, ageMs] = reply.slice(at, at + 4)
    const place = placeIn(String(field))
    if (place === undefined) continue
    const times = { createdAt: Number(createdAt), ageMs: Number(ageMs) }
    models.push({ ...place, isVerbatim: Number(verbatim) === 1, ...times })
  }
  return models
}

/** A field that another program wrote is left alone. */
function placeIn(field: string): { queue: string; name: string } | undefined {
  try {
    const [queue, name] = JSON.parse(field) as unknown[]
    return typeof queue === 'string' && typeof name === 'string' ? { queue, name } : undefined
  } catch {
    return undefined
  }
}
