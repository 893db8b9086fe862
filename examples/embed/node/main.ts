/** The core in Node: every vector, then the throughput loops. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readOptions, report, runHost } from '../js/command.ts';
import { readVectors, runAll, start } from '../js/run.ts';

process.exitCode = await runHost('node', async () => {
  const options = readOptions(process.argv.slice(2));
  const { module, startMs } = await start(async () =>
    WebAssembly.compile(await readFile(options.module)),
  );
  const vectors = await readVectors(
    await readdir(options.vectors),
    async (path) => JSON.parse(await readFile(join(options.vectors, path), 'utf8')) as unknown,
  );
  const run = runAll(module, vectors);
  return report({ runtime: 'node', version: process.versions.node, startMs }, run, options);
});
