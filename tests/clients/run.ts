import { runProject } from '../interop/support/run-project.ts'

/** `npm run test:clients [-- arguments of vitest]` */
runProject('clients')
