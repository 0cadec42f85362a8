import { runProject } from './support/run-project.ts'

/** `npm run test:interop [-- arguments of vitest]` */
runProject('interop')
