/** What a client prefers of how it is answered: https://www.rfc-editor.org/rfc/rfc7240 */
export interface Preference {
  readonly isAsync: boolean
  readonly waitMs: number | undefined
  /** For `preference-applied`; undefined where nothing is preferred that we know. */
  readonly applied: string | undefined
}

/** Of both, the wait wins: it is the narrower wish. What cannot be understood is ignored, as the RFC has it. */
export function preferenceOf(header: string | undefined, maxWaitMs: number): Preference {
  let isAsync = false
  let seconds: number | undefined
  for (const preference of header?.split(',') ?? []) {
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
