const { TESTS = '' } = process.env

/**
 * True in `npm run test:long` and `npm run test:faults`, which run the same tests
 * with more kills, more jobs and more seconds.
 */
export const isLong = ['long', 'faults'].includes(TESTS)
