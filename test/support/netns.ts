/**
 * Tests that need root: they build networks of their own and say so when they cannot.
 */
import test, { type ExecutionContext } from 'ava';
import { type Lab, openLab } from '../../examples/demo/netns.js';

export * from '../../examples/demo/netns.js';

/** Why networks cannot be built here; undefined when they can. */
const whyNot = process.getuid?.() === 0 ? undefined : 'needs root to make network namespaces';

/**
 * A test with a network of its own, which is gone afterwards however the test ends.
 *
 * @param title  the claim
 */
export function labTest(
  title: string,
  body: (t: ExecutionContext, lab: Lab) => void | Promise<void>,
): void {
  if (whyNot !== undefined) {
    process.stderr.write(`skipped: ${title}: ${whyNot}\n`);
    test.skip(title, (t) => t.pass());
    return;
  }
  test.serial(title, async (t) => {
    const lab = openLab();
    try {
      await body(t, lab);
    } finally {
      lab.close();
    }
  });
}
