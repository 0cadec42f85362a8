const { TESTS = '' } = process.env

/**
 * True in `npm run test:long` and `npm run test:faults`, which run the same tests
 * with more kills, more jobs and more seconds.
 */
export const isLong = ['long', 'faults'].includes(TESTS)

/** A count as it is written in a test's name: 10,000. */
export const named = (count: number): string => count.toLocaleString('en')
