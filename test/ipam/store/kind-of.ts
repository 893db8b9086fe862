/** How a request to a store ends. */
import { StoreError } from '../../../src/ipam/store/store.js';
import type { StoreErrorKind } from '../../../src/ipam/store/store.js';

export async function kindOf(run: Promise<unknown>): Promise<StoreErrorKind | 'fine'> {
  try {
    await run;
    return 'fine';
  } catch (cause) {
    if (cause instanceof StoreError) return cause.kind;
    throw cause;
  }
}
