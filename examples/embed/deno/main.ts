/** The core in Deno: every vector, then the throughput loops. */
import { readOptions, report, runHost } from '../js/command.ts';
import { readVectors, runAll, start } from '../js/run.ts';

Deno.exitCode = await runHost('deno', async () => {
  const options = readOptions(Deno.args);
  const { module, startMs } = await start(async () =>
    WebAssembly.compile(await Deno.readFile(options.module)),
  );
  const names = await Array.fromAsync(Deno.readDir(options.vectors), ({ name }) => name);
  const vectors = await readVectors(names, async (path) =>
    JSON.parse(await Deno.readTextFile(`${options.vectors}/${path}`)),
  );
  const run = runAll(module, vectors);
  return report({ runtime: 'deno', version: Deno.version.deno, startMs }, run, options);
});
