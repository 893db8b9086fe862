/**
 * Build the playground: a folder that any static host can serve.
 *
 *   tsx scripts/build-playground.ts [FOLDER]     default: build/playground
 *
 * The core is the very module that runs on a node (build/core/core.wasm); what drop reasons mean is taken
 * from docs/troubleshooting.md.
 */
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { Drop } from '../assembly/abi.js';
import { packageFile, packageRoot } from '../src/package-root.js';
import { oneLanguage } from './one-language.js';

const source = (...path: string[]): string => packageFile(join('playground', ...path));

/** Of every Drop the first paragraph that stands under its name. */
export function dropSentences(markdown: string): Record<string, string> {
  const sections = markdown.split(/^### /m).slice(1);
  const texts = new Map(
    sections.map((section) => {
      const [name = '', ...rest] = section.split('\n');
      const [paragraph = ''] = rest
        .join('\n')
        .trim()
        .split(/\n\n|\n#/);
      const plain = paragraph.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '');
      return [name.trim(), plain.replace(/\s+/g, ' ').trim()];
    }),
  );
  const names = Object.keys(Drop).filter((name) => Number.isNaN(Number(name)) && name !== 'NONE');
  return Object.fromEntries(names.map((name) => [name, texts.get(name) ?? '']));
}

/** @param folder  replaced as a whole */
export async function buildPlayground(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'captures'), { recursive: true });
  mkdirSync(join(folder, 'vectors'));
  await build({
    entryPoints: { playground: source('main.ts'), 'meter-worker': source('meter-worker.ts') },
    outdir: folder,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    sourcemap: 'linked',
    legalComments: 'linked',
    logLevel: 'warning',
    plugins: [oneLanguage],
  });
  for (const name of ['index.html', 'style.css', 'icon.svg', 'cluster.yaml']) {
    copyFileSync(source(name), join(folder, name));
  }
  for (const name of ['service', 'masquerade', 'dns', 'malformed']) {
    copyFileSync(source('captures', `${name}.pcap`), join(folder, 'captures', `${name}.pcap`));
  }
  cpSync(packageFile('test/vectors/throughput'), join(folder, 'vectors'), { recursive: true });
  copyFileSync(packageFile('build/core/core.wasm'), join(folder, 'core.wasm'));
  const markdown = readFileSync(packageFile('docs/troubleshooting.md'), 'utf8');
  writeFileSync(join(folder, 'drops.json'), JSON.stringify(dropSentences(markdown)));
}

if (process.argv[1] === import.meta.filename) {
  await buildPlayground(process.argv[2] ?? join(packageRoot(), 'build/playground'));
}
