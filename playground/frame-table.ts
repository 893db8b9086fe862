/**
 * The table of frames: a page of them at a time, one of them selected, by mouse or by keys (WAI-ARIA
 * grid pattern, with whole rows in the focus).
 */
import { el } from './dom.js';
import type { Child } from './dom.js';
import type { FrameWords } from './frame-words.js';

export interface FrameTable {
  /** Show frames; the one with that number is selected, or else the first. */
  show(frames: readonly FrameWords[], number: number): void;
}

export interface FrameTableParts {
  readonly body: HTMLTableSectionElement;
  readonly pager: HTMLElement;
  /** A frame was selected. */
  readonly selected: (number: number) => void;
}

const PAGE = 200;
const LEAP = 10;

/** Where a key leads, from a place among so many. */
function target(key: string, place: number, count: number): number | undefined {
  const moves: Readonly<Record<string, number>> = {
    ArrowDown: place + 1,
    ArrowUp: place - 1,
    PageDown: place + LEAP,
    PageUp: place - LEAP,
    Home: 0,
    End: count - 1,
  };
  const to = moves[key];
  return to === undefined ? undefined : Math.min(Math.max(to, 0), count - 1);
}

/** A long name may be broken behind its underscores. */
function breakable(text: string): Child[] {
  return text.split(/(?<=_)/).flatMap((part) => [part, el('wbr')]);
}

function rowOf(words: FrameWords, isSelected: boolean): HTMLTableRowElement {
  const { number, time, from, to, protocol, verdict, way, changed } = words;
  return el(
    'tr',
    {
      'aria-selected': String(isSelected),
      tabindex: isSelected ? 0 : -1,
      'data-number': number,
    },
    el('td', { class: 'number' }, String(number)),
    el('td', { class: 'number' }, time),
    el('td', {}, el('span', { class: 'from' }, from), ' ', el('span', { class: 'to' }, `→ ${to}`)),
    el('td', {}, protocol),
    el('td', {}, el('span', { class: `verdict ${verdict.toLowerCase()}` }, verdict)),
    el('td', {}, ...breakable(way)),
    el('td', { class: 'changed' }, changed),
  );
}

export function createFrameTable({ body, pager, selected }: FrameTableParts): FrameTable {
  let frames: readonly FrameWords[] = [];
  let place = 0;
  let page = -1;

  const rows = (): HTMLTableRowElement[] => [...body.rows];
  const mark = (hasFocus: boolean): void => {
    rows().forEach((row, i) => {
      const isSelected = page * PAGE + i === place;
      row.setAttribute('aria-selected', String(isSelected));
      row.tabIndex = isSelected ? 0 : -1;
      if (isSelected && hasFocus) row.focus();
    });
  };
  const turnTo = (next: number): void => {
    page = next;
    const first = page * PAGE;
    const shown = frames.slice(first, first + PAGE);
    body.replaceChildren(...shown.map((words, i) => rowOf(words, first + i === place)));
    const pages = Math.ceil(frames.length / PAGE);
    pager.hidden = pages <= 1;
    const button = (text: string, to: number): HTMLButtonElement => {
      const made = el('button', { type: 'button', disabled: to < 0 || to >= pages }, text);
      made.addEventListener('click', () => select(to * PAGE, false));
      return made;
    };
    const said = `Frames ${first + 1} to ${first + shown.length} of ${frames.length}`;
    pager.replaceChildren(
      button('Earlier', page - 1),
      el('span', {}, said),
      button('Later', page + 1),
    );
  };
  const select = (next: number, hasFocus: boolean): void => {
    place = next;
    const wanted = Math.floor(place / PAGE);
    if (wanted !== page) turnTo(wanted);
    mark(hasFocus);
    selected(frames[place]?.number ?? 1);
  };

  body.addEventListener('click', (event) => {
    const row = event.target instanceof Element ? event.target.closest('tr') : null;
    const i = row === null ? -1 : rows().indexOf(row);
    if (i >= 0) select(page * PAGE + i, true);
  });
  body.addEventListener('keydown', (event) => {
    const to = target(event.key, place, frames.length);
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    select(to, true);
  });

  return {
    show: (next, wanted) => {
      const hadFocus = body.contains(document.activeElement);
      frames = next;
      page = -1;
      if (frames.length === 0) {
        body.replaceChildren();
        pager.hidden = true;
        return;
      }
      const known = frames.findIndex(({ number }) => number === wanted);
      select(Math.max(known, 0), hadFocus);
    },
  };
}
