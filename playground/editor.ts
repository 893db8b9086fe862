/** A text area with line numbers, one of which may be marked. */
import { el } from './dom.js';

export interface Editor {
  text(): string;
  setText(text: string): void;
  /** Mark a line; undefined: none. */
  mark(line: number | undefined): void;
  /** Put the cursor on a line and show it. */
  goTo(line: number): void;
}

export interface EditorParts {
  readonly area: HTMLTextAreaElement;
  readonly gutter: HTMLElement;
  /** The text has changed and has been left alone since. */
  readonly changed: () => void;
}

/** Silence after the last key. */
const PAUSE_MS = 200;

export function createEditor({ area, gutter, changed }: EditorParts): Editor {
  let marked: number | undefined;
  let timer: number | undefined;

  const number = (): void => {
    const count = area.value.split('\n').length;
    if (gutter.childElementCount === count) return;
    const lines = Array.from({ length: count }, (_, i) => el('span', {}, String(i + 1)));
    gutter.replaceChildren(...lines);
  };
  const mark = (line: number | undefined): void => {
    if (marked !== undefined) gutter.children[marked - 1]?.classList.remove('bad');
    marked = line;
    if (line !== undefined) gutter.children[line - 1]?.classList.add('bad');
  };

  area.addEventListener('input', () => {
    number();
    clearTimeout(timer);
    timer = window.setTimeout(changed, PAUSE_MS);
  });
  area.addEventListener('scroll', () => {
    gutter.scrollTop = area.scrollTop;
  });

  return {
    text: () => area.value,
    setText: (text) => {
      area.value = text;
      number();
    },
    mark,
    goTo: (line) => {
      const lines = area.value.split('\n');
      const begin = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
      area.focus();
      area.setSelectionRange(begin, begin + (lines[line - 1]?.length ?? 0));
      area.scrollTop = (area.scrollHeight / lines.length) * Math.max(0, line - 5);
    },
  };
}
