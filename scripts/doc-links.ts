/** What Markdown says of itself: its headings as anchors, its links. For the site and for the tests. */

export interface DocLink {
  readonly line: number;
  readonly text: string;
  /** As written, without the anchor: relative to the page; empty is the page itself. */
  readonly path: string;
  /** Without `#`; undefined when there is none. */
  readonly anchor: string | undefined;
}

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const LINK = /\[((?:`[^`]*`|[^\]`])*)\]\(([^()\s]+)\)/g;

/** Code that shows a link. */
const CODE_LIKE_LINK = /`[^`[]*\[[^`]*\]\([^`]*`/g;

/** Lines that are prose: those of fenced code are empty, so that numbers stay. */
export function proseLines(markdown: string): string[] {
  let fence: string | undefined;
  return markdown.split('\n').map((line) => {
    const mark = FENCE.exec(line)?.[1];
    if (fence !== undefined) {
      if (mark?.startsWith(fence) === true) fence = undefined;
      return '';
    }
    fence = mark;
    return mark === undefined ? line : '';
  });
}

/** A heading's anchor as code hosts make it: letters, digits, `-` and `_`, in lower case. */
export function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');
}

/** Anchors of a page; the second heading of a name ends in -1, and so on. */
export function anchorsOf(markdown: string): Set<string> {
  const seen = new Map<string, number>();
  const headings = proseLines(markdown).flatMap((line) => /^#{1,6} (.+)$/.exec(line)?.[1] ?? []);
  return new Set(
    headings.map((heading) => {
      const anchor = anchorOf(heading);
      const before = seen.get(anchor) ?? 0;
      seen.set(anchor, before + 1);
      return before === 0 ? anchor : `${anchor}-${before}`;
    }),
  );
}

/** Links that stay in the repository. */
export function linksOf(markdown: string): DocLink[] {
  return proseLines(markdown).flatMap((line, i) =>
    [...line.replace(CODE_LIKE_LINK, '').matchAll(LINK)].flatMap(([, text = '', target = '']) => {
      if (/^[a-z]+:/.test(target)) return [];
      const [path = '', anchor] = target.split('#');
      return [{ line: i + 1, text, path, anchor }];
    }),
  );
}
