/**
 * The Markdown of the repository as a static site: `npm run docs` writes build/docs/.
 *
 * Pages are the files where they lie, so that a relative link means the same here and in the tree;
 * only a README.md becomes the index of its folder. A link that leads nowhere fails the build. Nothing
 * is fetched from elsewhere when a page is read: search, fonts and styles are part of the site.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { DefaultTheme, MarkdownRenderer, UserConfig } from 'vitepress';
import { anchorOf, linksOf, proseLines } from '../../scripts/doc-links.js';

const ROOT = join(import.meta.dirname, '../..');
/** The map of the documentation; its sections are the sidebar. */
const MAP = 'docs/README.md';

function asPage(path: string): string {
  return path.replace(/(^|\/)README\.md$/, '$1index.md');
}

/** Sections and links of the map. */
function sidebar(): DefaultTheme.SidebarItem[] {
  const sections: { text: string; items: DefaultTheme.SidebarItem[] }[] = [];
  for (const line of proseLines(readFileSync(join(ROOT, MAP), 'utf8'))) {
    const section = /^## (.+)$/.exec(line)?.[1];
    if (section !== undefined) sections.push({ text: section, items: [] });
    const link = line.startsWith('- ') ? linksOf(line)[0] : undefined;
    if (link === undefined) continue;
    const page = asPage(relative(ROOT, join(ROOT, dirname(MAP), link.path)));
    sections.at(-1)?.items.push({ text: link.text, link: `/${page.replace(/\.md$/, '.html')}` });
  }
  return sections;
}

/**
 * Relative links: to a README as to its folder's index; what is no page (a source, a folder) is not part
 * of the site, and only its name is shown.
 */
function followLinks(md: MarkdownRenderer): void {
  const inner = md.renderer.rules.link_open;
  md.renderer.rules.link_open = (tokens, index, options, env, self) => {
    const token = tokens[index];
    const [path = '', anchor] = (token?.attrGet('href') ?? '').split('#');
    if (token === undefined || path === '' || /^[a-z]+:/.test(path)) {
      return inner?.(tokens, index, options, env, self) ?? '';
    }
    if (path.endsWith('.md')) {
      token.attrSet('href', asPage(path) + (anchor === undefined ? '' : `#${anchor}`));
      return inner?.(tokens, index, options, env, self) ?? '';
    }
    const close = tokens.slice(index).find(({ type }) => type === 'link_close');
    if (close !== undefined) close.tag = 'span';
    return '<span>';
  };
}

export default {
  title: 'Sluice',
  description: 'The network of a Kubernetes node: WebAssembly decides once, the kernel repeats.',
  lang: 'en',
  base: process.env['SLUICE_DOCS_BASE'] ?? '/',
  srcDir: '..',
  srcExclude: ['build/**', 'test/**', 'node_modules/**'],
  outDir: '../build/docs',
  cacheDir: '../build/docs-cache',
  rewrites: asPage,
  ignoreDeadLinks: false,
  metaChunk: true,
  markdown: {
    anchor: { slugify: anchorOf },
    config: followLinks,
  },
  themeConfig: {
    search: { provider: 'local' },
    sidebar: sidebar(),
    outline: [2, 3],
    nav: [
      { text: 'Map', link: '/docs/' },
      { text: 'Getting started', link: '/docs/getting-started.html' },
      { text: 'Embedding', link: '/docs/embedding.html' },
      { text: 'Troubleshooting', link: '/docs/troubleshooting.html' },
    ],
  },
} satisfies UserConfig<DefaultTheme.Config>;
