/** The committed files of vectors. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LoopFile, VectorFile } from '../../src/embed/vectors.js';

export const VECTORS = import.meta.dirname;

export const vectorFiles = (): VectorFile[] =>
  readdirSync(VECTORS)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(VECTORS, name), 'utf8')) as VectorFile);

export const loopFile = (name: string): LoopFile =>
  JSON.parse(readFileSync(join(VECTORS, 'throughput', `${name}.json`), 'utf8')) as LoopFile;
