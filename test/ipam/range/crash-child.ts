/** Takes and gives back addresses until it is killed, and says what was acknowledged. */
import { writeSync } from 'node:fs';
import { owner, rig } from './support.js';

const { add, del } = rig([[{ subnet: '10.4.0.0/22' }], [{ subnet: 'fd00::/112' }]], {
  dataDir: process.argv[2] ?? '',
});

for (let count = 0; ; count++) {
  const ids = Array.from({ length: 5 }, (_, i) => `c${count}-${i}`);
  await Promise.all(
    ids.map(async (id, i) => {
      const given = await add(owner(id));
      writeSync(1, `add ${id} ${String(given)}\n`);
      if (i > 3) return;
      writeSync(1, `del ${id}\n`);
      await del(owner(id));
      writeSync(1, `gone ${id}\n`);
    }),
  );
}
