/**
 * Bundle what others embed: one ECMAScript module for any runtime.
 *
 *   tsx scripts/build-embed.ts [FOLDER]     default: build/embed
 */
import { join } from 'node:path';
import { build } from 'esbuild';
import type { BuildOptions } from 'esbuild';
import { packageFile, packageRoot } from '../src/package-root.js';
import { oneLanguage } from './one-language.js';

/** As any runtime takes it. */
export const EMBED_OPTIONS = {
  entryPoints: {
    core: packageFile('src/embed/core.ts'),
    vectors: packageFile('src/embed/vectors.ts'),
  },
  bundle: true,
  format: 'esm',
  platform: 'neutral',
  mainFields: ['module', 'main'],
  target: 'es2022',
  minifySyntax: true,
  minifyWhitespace: true,
  sourcemap: 'linked',
  legalComments: 'linked',
  logLevel: 'warning',
  plugins: [oneLanguage],
} satisfies BuildOptions;

if (process.argv[1] === import.meta.filename) {
  const outdir = process.argv[2] ?? join(packageRoot(), 'build/embed');
  await build({ ...EMBED_OPTIONS, outdir });
}
