/** The text of every file of vectors: one step a line, so that a difference can be read. */
import type { LoopFile, Step, VectorFile } from '../../src/embed/vectors.js';
import { TOPICS } from './topics/index.js';
import { answers, packets } from './topics/throughput.js';

const lines = (steps: readonly Step[], indent: string): string =>
  steps.map((step) => `${indent}${JSON.stringify(step)}`).join(',\n');

const list = (steps: readonly Step[], indent: string): string =>
  steps.length === 0 ? '[]' : `[\n${lines(steps, `${indent}  `)}\n${indent}]`;

function head({ name, about, abiVersion, pages, setup }: VectorFile | LoopFile): string {
  const fields = Object.entries({ name, about, abiVersion, pages });
  const text = fields.map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  return [...text, `  "setup": ${list(setup, '  ')}`].join(',\n');
}

export function vectorText(file: VectorFile): string {
  const cases = file.cases.map(
    ({ name, about, steps }) =>
      `    {\n      "name": ${JSON.stringify(name)},\n      "about": ${JSON.stringify(about)},\n` +
      `      "steps": ${list(steps, '      ')}\n    }`,
  );
  return `{\n${head(file)},\n  "cases": [\n${cases.join(',\n')}\n  ]\n}\n`;
}

export function loopText(file: LoopFile): string {
  const { items, steps } = file.loop;
  const loop = `    "items": ${String(items)},\n    "steps": ${list(steps, '    ')}`;
  return `{\n${head(file)},\n  "loop": {\n${loop}\n  }\n}\n`;
}

/** File names within test/vectors, and what is in them. */
export function renderVectors(): Map<string, string> {
  return new Map([
    ...TOPICS.map(({ name, record }) => [`${name}.json`, vectorText(record())] as const),
    ...[packets(), answers()].map(
      (file) => [`throughput/${file.name}.json`, loopText(file)] as const,
    ),
  ]);
}
