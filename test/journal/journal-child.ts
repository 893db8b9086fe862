/** Writes to the journal it is given until it is killed, and says what was acknowledged. */
import { writeSync } from 'node:fs';
import { openJournal } from '../../src/journal/journal.js';

const KEYS = 20;
const TOGETHER = 7;

const journal = openJournal<number>(process.argv[2] ?? '', { read: Number });

async function write(count: number): Promise<void> {
  const key = String(count % KEYS);
  // Every fifth turn of a key deletes it.
  if (Math.floor(count / KEYS) % 5 === 4) await journal.delete(key);
  else await journal.set(key, count);
  writeSync(1, `${count}\n`);
}

for (let count = 0; ; count += TOGETHER) {
  await Promise.all(Array.from({ length: TOGETHER }, (_, i) => write(count + i)));
}
