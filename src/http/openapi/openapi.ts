import packageJson from '../../../package.json' with { type: 'json' }
import { text } from './openapi-parts.ts'
import type { Answer, Contract, JsonObject, Operation } from './openapi-parts.ts'

const DESCRIPTION =
  'An HTTP front door to LLM workers that take jobs from RabbitMQ and write results to Redis. ' +
  'A request with the same job_id and payload as an earlier one joins that job or gets its outcome. ' +
  'Every answer has an x-request-id.'

const REQUEST_ID = {
  description: 'Finds the request in the log. The client’s own id if it sends one of this form',
  required: true,
  schema: text('^[A-Za-z0-9_.:=+/-]{1,128}$'),
}

/** OpenAPI 3.1 of all surfaces. */
export function openApiDocument(contracts: readonly Contract[]): JsonObject {
  const paths = contracts.map((contract) => contract.paths)
  const schemas = contracts.map((contract) => contract.schemas)
  return {
    openapi: '3.1.0',
    info: { title: 'protollm-gateway', version: packageJson.version, description: DESCRIPTION },
    // Where this document is, behind whatever prefix a proxy adds.
    servers: [{ url: '.' }],
    paths: withRequestIds(Object.assign({}, ...paths)),
    components: {
      schemas: Object.assign({}, ...schemas),
      headers: { RequestId: REQUEST_ID },
    },
  }
}

/** Every answer has this header, so no surface needs to say so. */
function withRequestIds(paths: Contract['paths']): Contract['paths'] {
  const id = { 'x-request-id': { $ref: '#/components/headers/RequestId' } }
  const answer = (one: Answer) => ({ ...one, headers: { ...id, ...one.headers } })
  const operation = (one: Operation) => ({ ...one, responses: mapped(one.responses, answer) })
  return mapped(paths, (byMethod) => mapped(byMethod, operation))
}

const mapped = <T, U>(of: Record<string, T>, by: (one: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(of).map(([name, one]) => [name, by(one)]))
