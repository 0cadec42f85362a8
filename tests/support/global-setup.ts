import { startServices } from '../../dev/services.ts'
import { bundlePrograms, removePrograms } from './bundle.ts'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    services: { RABBIT_MQ_URL: string; REDIS_URL: string }
    /** Where the programs that tests start are found. */
    programs: string
  }
}

/** The first project of a run starts RabbitMQ and Redis, and all projects share them. */
export default async function setup({
  vitest,
}: TestProject): Promise<(() => Promise<void>) | undefined> {
  if ('services' in vitest.getRootProject().getProvidedContext()) return undefined
  const [services, programs] = await Promise.all([
    startServices((line) => process.stderr.write(`${line}\n`)),
    bundlePrograms(),
  ])
  vitest.provide('services', { ...services.env })
  vitest.provide('programs', programs)
  return async () => {
    removePrograms(programs)
    await services.close()
  }
}
