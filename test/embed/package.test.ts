/** What `npm pack` puts into the package: what it promises, and nothing of the workshop. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'ava';
import { packageFile, packageRoot } from '../../src/package-root.js';

interface Manifest {
  readonly private: boolean;
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly scripts: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as Manifest;

/** Paths in the package. */
function packed(): string[] {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const text = execFileSync('npm', args, {
    cwd: packageRoot(),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ files }] = JSON.parse(text) as [
    { readonly files: readonly { readonly path: string }[] },
  ];
  return files.map(({ path }) => path);
}

test('package: it has what its exports and its command name, and what they load', (t) => {
  const files = packed();
  const named = [
    ...Object.values(manifest.bin),
    ...Object.values(manifest.exports).flatMap((to) =>
      typeof to === 'string' ? to : Object.values(to),
    ),
  ].map((path) => path.replace(/^\.\//, ''));
  const loaded = ['build/native/sluice.node', 'build/native/sluice-cni', 'build/host/src/cli.js'];
  const read = ['README.md', 'LICENSE', 'docs/abi.md', 'docs/embedding.md', 'package.json'];
  for (const path of [...named, ...loaded, ...read]) t.true(files.includes(path), path);
});

test('package: it has nothing of tests, benches and other languages', (t) => {
  const wanted = /^(build\/(core|embed|host|native)\/|docs\/(abi|embedding)\.md$|[^/]+$)/;
  const workshop = /^build\/embed\/(?!core\.js$|vectors\.js$|types\/)|\.(wat|map|cache|ts)$/;
  const stray = packed().filter(
    (path) => !wanted.test(path) || (workshop.test(path) && !path.endsWith('.d.ts')),
  );
  t.deepEqual(stray, []);
});

test('package: packing builds first, and it goes to no registry', (t) => {
  t.regex(manifest.scripts['prepack'] ?? '', /^bash scripts\/build\.sh .*\bembed\b/);
  t.true(manifest.private);
});
