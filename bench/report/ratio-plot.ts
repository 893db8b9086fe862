/** All ratios of a layer in one picture: right of the line is better than the rival. */
import { escapeHtml } from './escape.js';
import type { Against, Subject } from './model.js';
import { inWords, isUndecided, logTicks, threeDigits, timesBetter } from './numbers.js';
import { seriesClass } from './plot.js';

const WIDTH = 760;
const LEFT = 250;
const RIGHT = 24;
const TOP = 34;
const ROW = 22;
const RADIUS = 5;

interface Row {
  readonly subject: Subject;
  readonly rivals: readonly Against[];
}

function place(low: number, high: number): (times: number) => number {
  return (times) => LEFT + ((WIDTH - LEFT - RIGHT) * Math.log(times / low)) / Math.log(high / low);
}

/** Half of the pairs' ratios: the median and half of the spread to each side. */
function rangeOf({ ratio, spread }: Against): readonly [number, number] {
  return [ratio * Math.max(1 - spread / 2, 0.02), ratio * (1 + spread / 2)];
}

function drawDot(
  subject: Subject,
  rival: Against,
  x: (times: number) => number,
  y: number,
): string {
  const { better } = subject;
  const at = x(timesBetter(rival.ratio, better)).toFixed(1);
  const [a, b] = rangeOf(rival).map((ratio) => x(timesBetter(ratio, better)).toFixed(1));
  const kind = seriesClass(rival.label, 1);
  const state = isUndecided(rival.ratio, rival.spread) ? ' undecided' : '';
  const words = inWords(rival.ratio, rival.spread, better);
  const said = `${subject.name} against ${rival.label}: ${words}, spread ${Math.round(rival.spread * 100)} %`;
  return `<g class="${kind}${state}" data-ratio="${rival.ratio}"><title>${escapeHtml(said)}</title><line class="whisker" x1="${a ?? at}" x2="${b ?? at}" y1="${y}" y2="${y}"/><circle cx="${at}" cy="${y}" r="${RADIUS}"/></g>`;
}

function drawRow({ subject, rivals }: Row, index: number, x: (times: number) => number): string {
  const y = TOP + ROW * index + ROW / 2;
  const name = `<text class="row" text-anchor="end" x="${LEFT - 14}" y="${y + 4}">${escapeHtml(subject.name)}</text>`;
  const rule = `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/>`;
  return `${name}${rule}${rivals.map((rival) => drawDot(subject, rival, x, y)).join('')}`;
}

/** @returns nothing where there is nothing to compare */
export function ratioPlot(title: string, subjects: readonly Subject[]): string {
  const rows = subjects.flatMap((subject) =>
    subject.rivals.length === 0 ? [] : [{ subject, rivals: subject.rivals }],
  );
  if (rows.length === 0) return '';
  const all = rows.flatMap(({ subject, rivals }) =>
    rivals.flatMap((rival) =>
      [rival.ratio, ...rangeOf(rival)].map((ratio) => timesBetter(ratio, subject.better)),
    ),
  );
  const [low, high] = [Math.min(0.5, ...all) / 1.1, Math.max(2, ...all) * 1.1];
  const x = place(low, high);
  const bottom = TOP + ROW * rows.length + 8;
  const ticks = logTicks(low, high).map((tick) => {
    const at = x(tick).toFixed(1);
    const kind = tick === 1 ? 'even' : 'grid';
    return `<line class="${kind}" x1="${at}" x2="${at}" y1="${TOP}" y2="${bottom}"/><text class="tick" text-anchor="middle" x="${at}" y="${bottom + 16}">${threeDigits(tick)}×</text>`;
  });
  const sides = `<text class="side" text-anchor="end" x="${(x(1) - 8).toFixed(1)}" y="18">rival is better ←</text><text class="side" x="${(x(1) + 8).toFixed(1)}" y="18">→ Sluice is better</text>`;
  const drawn = rows.map((row, i) => drawRow(row, i, x));
  return `<svg class="plot" role="img" aria-label="${escapeHtml(`${title}: how many times better than each rival`)}" viewBox="0 0 ${WIDTH} ${bottom + 26}">${ticks.join('')}${sides}${drawn.join('')}</svg>`;
}
