/** A process of its own that raises a counter in a store folder: `racer.ts DIR TIMES`. */
import { openFileStore } from '../../../src/ipam/store/file.js';
import { kindOf } from './kind-of.js';

const [dir = '', times = '0'] = process.argv.slice(2);
const store = await openFileStore(dir);
for (let done = 0; done < Number(times);) {
  const found = await store.get('blocks/count');
  const next = { n: Number(found?.value['n']) + 1 };
  const kind = await kindOf(store.update('blocks/count', next, found?.revision ?? ''));
  if (kind === 'fine') done++;
  else if (kind !== 'conflict') process.exit(1);
}
