import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { linksOf } from '../../scripts/doc-links.js';
import { needs } from '../support/skip.js';
import { ROOT, pageAt } from './pages.js';

const VITEPRESS = join(ROOT, 'node_modules/vitepress/bin/vitepress.js');
const siteTest = needs({
  also: existsSync(VITEPRESS) ? undefined : 'needs the npm package vitepress, not installed',
});

/** Where the site has a page. */
function htmlOf(path: string): string {
  return path.replace(/(^|\/)README\.md$/, '$1index.md').replace(/\.md$/, '.html');
}

siteTest('docs: the site has every page of the map, and asks nobody else for anything', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-docs-'));
  try {
    execFileSync(process.execPath, [VITEPRESS, 'build', 'docs', '--outDir', folder], {
      cwd: ROOT,
      stdio: 'pipe',
    });
    const map = 'docs/README.md';
    for (const { path } of linksOf(pageAt(map).text)) {
      const page = htmlOf(join(dirname(map), path));
      t.true(existsSync(join(folder, page)), page);
      const html = readFileSync(join(folder, page), 'utf8');
      t.notRegex(html, /<(?:script|img|iframe)[^>]+src="(?:https?:)?\/\//, page);
      t.notRegex(html, /<link[^>]+href="(?:https?:)?\/\//, page);
    }
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    t.true(files.some((file) => file.includes('localSearchIndex')));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
