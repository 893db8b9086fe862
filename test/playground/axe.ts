/** axe-core in a page: what it finds that keeps people out. */
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const { source: axeSource } = createRequire(import.meta.url)('axe-core') as { source: string };

interface Violation {
  readonly id: string;
  readonly nodes: readonly {
    readonly target: readonly string[];
    readonly failureSummary: string;
  }[];
}

/** What axe-core finds, a line each. */
export async function axe(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  const violations = await page.evaluate<Violation[]>(
    'axe.run().then((found) => found.violations)',
  );
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} ${target.join(' ')}: ${failureSummary}`),
  );
}
