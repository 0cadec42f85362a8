/** Part of every prompt and so of every answer: it must not be found in any log. */
export const CANARY = 'canary-prompt'
/** Part of every password the tests set: it must not be found in any log or answer. */
export const SECRET = 'canary-secret'
