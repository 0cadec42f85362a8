/**
 * A reference from the path of a request to another path of ours, such as `../docs`. It holds
 * behind a proxy that serves us under a prefix and takes the prefix off: that prefix is
 * unknown here, and is a part of the URL that the client resolves the reference against.
 */
export function relativeTo(requestPath: string, path: string): string {
  const depth = requestPath.split('/').length - 2
  return '../'.repeat(depth) + path.slice(1)
}

/** Where the job is, as seen from the path of a request. */
export const jobLocation = (requestPath: string, id: string): string =>
  relativeTo(requestPath, `/jobs/${id}`)
