/** Fills a journal beyond the size that a file may have, makes room, and says what it holds. */
import { openJournal } from '../../src/journal/journal.js';

const journal = openJournal<string>(process.argv[2] ?? '', { read: String });
const text = 'x'.repeat(1000);
let refused = 0;
for (let i = 0; i < 100; i++) {
  try {
    await journal.set(`k${i}`, text);
  } catch {
    refused += 1;
  }
}
for (let i = 0; i < 95; i++) await journal.delete(`k${i}`).catch(() => undefined);
await journal.set('last', 'one');
await journal.close();
console.log(JSON.stringify({ refused, keys: [...journal.entries.keys()] }));
