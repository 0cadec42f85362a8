/** A path that names a version is the server's own: `/api/paas/v4`, `/v1beta/openai`, `/V1`. */
const VERSION = /\/v\d{1,2}(?:\.\d+)?(?:(?:alpha|beta|preview)\d*)?(?:\/|$)/i
/** Azure names its version in the query, and a deployment in the path. */
const AZURE = /\/openai\/deployments\/[^/]+$/i
/** People also copy the address of a whole endpoint. */
const ENDPOINT = /\/(?:chat\/completions|completions|embeddings|responses|models)$/i

interface Base {
  /** Without a slash at its end. */
  readonly base: string
  /** With its question mark; empty where there is none. */
  readonly query: string
}

/**
 * `localhost:8670` (as protollm_api has it) and `http://host` mean `http://host/v1`. A path that names
 * a version or an endpoint is used as it is, and a query stays a query.
 */
function readBase(url: string): Base {
  const absolute = /^https?:\/\//i.test(url) ? url : `http://${url}`
  const [, address = '', query = ''] = /^([^?#]*)(\?[^#]*)?/.exec(absolute) ?? []
  const trimmed = address.replace(/\/+$/, '')
  const base = trimmed.replace(ENDPOINT, '')
  const path = base.replace(/^https?:\/\/[^/]*/i, '')
  const isWhole =
    base !== trimmed || VERSION.test(path) || AZURE.test(path) || /[?&]api-version=/i.test(query)
  return { base: isWhole ? base : `${base}/v1`, query: query === '?' ? '' : query }
}

/** Where the endpoints of this server are. */
export const baseUrl = (url: string): string => readBase(url).base

/** The address of one endpoint; `path` begins with a slash. */
export function endpointUrl(url: string, path: string): string {
  const { base, query } = readBase(url)
  return `${base}${path}${query}`
}

/** For the log: a query or a login may hold a key. */
export function addressForPeople(url: string): string {
  const { origin, pathname } = new URL(baseUrl(url))
  return origin + pathname
}
