import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import { anchorsOf, linksOf } from '../../scripts/doc-links.js';
import { PAGES, ROOT, pageAt, spansOf } from './pages.js';

/** Why a link leads nowhere; undefined when it leads somewhere. */
function whyDead(from: string, path: string, anchor: string | undefined): string | undefined {
  const target = path === '' ? join(ROOT, from) : join(ROOT, dirname(from), path);
  if (!existsSync(target)) return 'no such file';
  if (anchor === undefined) return undefined;
  return anchorsOf(readFileSync(target, 'utf8')).has(anchor) ? undefined : 'no such heading';
}

test('docs: a heading has the anchor that code hosts give it', (t) => {
  const anchors = anchorsOf(
    "# It's `a.b`\n## TTL_EXCEEDED\n## x y\n## x y\n```\n# no heading\n```\n",
  );
  t.deepEqual([...anchors], ['its-ab', 'ttl_exceeded', 'x-y', 'x-y-1']);
});

test('docs: a link is seen but where it is code', (t) => {
  const links = linksOf('[a](b.md#c)\n`[x](y)`\n```\n[d](e.md)\n```\n[`f`](https://example.org)\n');
  t.deepEqual(
    links.map(({ path, anchor, line }) => ({ path, anchor, line })),
    [{ path: 'b.md', anchor: 'c', line: 1 }],
  );
});

for (const { path: page, text } of PAGES) {
  test(`docs: every link of ${page} leads to a file and a heading`, (t) => {
    for (const { line, path, anchor } of linksOf(text)) {
      const dead = whyDead(page, path, anchor);
      const shown = anchor === undefined ? path : `${path}#${anchor}`;
      t.is(dead, undefined, `${page}:${line}: ${shown}: ${String(dead)}`);
    }
    t.pass();
  });
}

const IN_TREE =
  /^(?:assembly|bench|deploy|docs|examples|native|playground|scripts|src|test)\/[\w./-]+$/;

test('docs: every path of the tree that a page names is there', (t) => {
  const named = PAGES.flatMap(({ path, text }) =>
    spansOf(text)
      .filter((code) => IN_TREE.test(code))
      .map((code) => ({ path, code })),
  );
  const isThere = (path: string): boolean => existsSync(join(ROOT, path));
  t.true(named.length > 50);
  t.deepEqual(
    named.filter(({ path, code }) => !isThere(code) && !isThere(join(dirname(path), code))),
    [],
  );
});

test('docs: the map leads to every page of docs/', (t) => {
  const map = 'docs/README.md';
  const mapped = new Set(linksOf(pageAt(map).text).map(({ path }) => join(dirname(map), path)));
  const pages = PAGES.map(({ path }) => path).filter((path) => /^docs\/[\w-]+\.md$/.test(path));
  t.deepEqual(
    pages.filter((path) => path !== map && !mapped.has(path)),
    [],
  );
});

test('docs: every decision is in the index of decisions', (t) => {
  const index = 'docs/decisions/README.md';
  const listed = linksOf(pageAt(index).text).map(({ path }) => join(dirname(index), path));
  const pages = PAGES.map(({ path }) => path).filter((path) => /decisions\/\d/.test(path));
  t.deepEqual(listed, pages);
});
