/**
 * Tests that need root: they build networks of their own and say so when they cannot.
 */
import type { ExecutionContext } from 'ava';
import { type Lab, openLab } from '../../examples/demo/netns.js';
import { needs } from './skip.js';

export * from '../../examples/demo/netns.js';

const declare = needs({ root: true, tools: ['ip', 'nsenter'] });

/**
 * A test with a network of its own, which is gone afterwards however the test ends.
 *
 * @param title  the claim
 */
export function labTest(
  title: string,
  body: (t: ExecutionContext, lab: Lab) => void | Promise<void>,
): void {
  declare(title, async (t) => {
    const lab = openLab();
    try {
      await body(t, lab);
    } finally {
      lab.close();
    }
  });
}
