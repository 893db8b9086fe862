/** The core in Bun: every vector, then the throughput loops. */
import { readOptions, report, runHost } from '../js/command.ts';
import { readVectors, runAll, start } from '../js/run.ts';

process.exitCode = await runHost('bun', async () => {
  const options = readOptions(Bun.argv.slice(2));
  const { module, startMs } = await start(async () =>
    WebAssembly.compile(await Bun.file(options.module).bytes()),
  );
  const names = await Array.fromAsync(new Bun.Glob('*.json').scan(options.vectors));
  const vectors = await readVectors(names, (path) => Bun.file(`${options.vectors}/${path}`).json());
  const run = runAll(module, vectors);
  return report({ runtime: 'bun', version: Bun.version, startMs }, run, options);
});
