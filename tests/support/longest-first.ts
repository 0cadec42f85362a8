import { BaseSequencer } from 'vitest/node'
import type { TestSpecification } from 'vitest/node'

/** The files that take longest, in that order. A run that begins with them has no long file left at its end. */
const LONGEST = [
  'security/slow-clients',
  'faults/redis',
  'faults/broker',
  'faults/gateway',
  'e2e/streams',
  'security/privileges',
  'e2e/services',
  'e2e/replicas',
  'e2e/load',
  'e2e/package',
  'security/denials',
  'integration/claim-races',
  'integration/events',
  'integration/jobs',
  'interop/schemathesis',
  'interop/celery',
  'interop/protollm-1.0',
  'clients/answers',
  'clients/patience',
  'clients/responses',
  'clients/responses-patience',
]

/** Orders files in the same way in every run. The default order depends on a cache that a fresh checkout lacks. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = LONGEST.findIndex((name) => moduleId.endsWith(`tests/${name}.test.ts`))
      return place === -1 ? LONGEST.length : place
    }
    return files.toSorted((a, b) => rank(a) - rank(b) || (a.moduleId < b.moduleId ? -1 : 1))
  }
}
