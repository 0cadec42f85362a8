import { startServices } from '../../dev/services.ts'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    services: { RABBIT_MQ_URL: string; REDIS_URL: string }
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const services = await startServices((line) => process.stderr.write(`${line}\n`))
  project.provide('services', { ...services.env })
  return () => services.close()
}
