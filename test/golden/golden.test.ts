import { readdirSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { playGolden, readGolden, updateGolden } from '../support/golden.js';

const isUpdate = process.env['UPDATE'] === '1';

for (const name of readdirSync(import.meta.dirname).filter((file) => file.endsWith('.md'))) {
  const file = path.join(import.meta.dirname, name);
  const cases = readGolden(file);
  if (isUpdate) updateGolden(file, new Map(cases.map((each) => [each.claim, playGolden(each)])));
  for (const each of readGolden(file)) {
    test(`${path.basename(name, '.md')}: ${each.claim}`, (t) => {
      t.is(playGolden(each), each.out);
    });
  }
}
