/** How the client prefers to be answered. https://www.rfc-editor.org/rfc/rfc7240 */
export interface Preference {
  readonly isAsync: boolean
  readonly waitMs: number | undefined
  /** The value of `preference-applied`. Undefined when the client prefers nothing that we know. */
  readonly applied: string | undefined
}

/** When the client sends both, `wait` wins: it asks for more. A value that we cannot read is ignored, as the RFC says. */
export function preferenceOf(header: string, maxWaitMs: number): Preference {
  let isAsync = false
  let seconds: number | undefined
  for (const preference of header.split(',')) {
    const [name, value] = (preference.split(';')[0] ?? '').split('=').map((part) => part.trim())
    if (name?.toLowerCase() === 'respond-async') isAsync = true
    const text = value?.replace(/^"(.*)"$/, '$1') ?? ''
    if (name?.toLowerCase() === 'wait' && /^\d{1,9}$/.test(text)) seconds ??= Number(text)
  }
  if (seconds !== undefined) {
    const waitMs = Math.min(seconds * 1000, maxWaitMs)
    return { isAsync: false, waitMs, applied: `wait=${Math.floor(waitMs / 1000)}` }
  }
  return { isAsync, waitMs: undefined, applied: isAsync ? 'respond-async' : undefined }
}

/** Of a request without the header. */
export const NO_PREFERENCE: Preference = { isAsync: false, waitMs: undefined, applied: undefined }
