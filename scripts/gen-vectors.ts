/**
 * Write test/vectors: what every runtime must reproduce bit for bit. The core says what the answers
 * are, and the rules written beside each case (test/vectors/topics) say whether they are right.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderVectors } from '../test/vectors/render.js';

const folder = join(import.meta.dirname, '../test/vectors');
mkdirSync(join(folder, 'throughput'), { recursive: true });
for (const [name, text] of renderVectors()) {
  writeFileSync(join(folder, name), text);
  process.stdout.write(`${name}: ${String(text.length)} bytes\n`);
}
