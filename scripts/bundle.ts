/**
 * `sluice dns` as one file a thread, and the command that starts it: build/host/bin. Beside them are the
 * compiled sources that libraries and the agent use.
 *
 *   sluice.cjs            the command; what is not `dns` is build/host/src/cli.js
 *   early.body.cjs        answers before `sluice dns` is loaded
 *   dns.body.cjs          `sluice dns`
 *   dns-worker.cjs        what its threads are started with
 *   dns-worker.body.cjs   a thread
 */
import { rmSync } from 'node:fs';
import { build } from 'esbuild';
import type { BuildOptions, Plugin } from 'esbuild';

const OUT = 'build/host/bin';

/** The agent's commands stay where they are. */
const agentOutside: Plugin = {
  name: 'agent-outside',
  setup: ({ onResolve }) => {
    onResolve({ filter: /^\.\.\/cli\.js$/ }, () => ({ path: '../src/cli.js', external: true }));
  },
};

const common: BuildOptions = {
  outdir: OUT,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  format: 'cjs',
  // Of a bundle in one line with other names nobody could say what failed where. Size costs little once
  // it is compiled; a call for each function that is to keep its name does not.
  minifySyntax: true,
  sourcemap: 'linked',
  legalComments: 'none',
  logLevel: 'warning',
  plugins: [agentOutside],
  define: { 'import.meta.url': 'bundleUrl' },
  banner: {
    js: '"use strict"; const bundleUrl = require("node:url").pathToFileURL(__filename).href;',
  },
};

// Compiled code is tied to a bundle by no more than its length.
rmSync(OUT, { recursive: true, force: true });
await build({
  ...common,
  entryPoints: { sluice: 'src/start/sluice.ts', 'dns-worker': 'src/start/dns-worker.ts' },
});
await build({
  ...common,
  entryPoints: {
    'early.body': 'src/start/early.ts',
    'dns.body': 'src/start/dns.ts',
    'dns-worker.body': 'src/dns/server/dns-worker.ts',
  },
  // A script has nobody who would import for it: what is loaded late is required late.
  supported: { 'dynamic-import': false },
});
