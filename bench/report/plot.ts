/** Plots as SVG text. Colours are variables of the page, so that light and dark are the page's. */
import { escapeHtml } from './escape.js';
import type { Curve, SweepModel } from './model.js';
import { byteSize, logTicks, shortNumber, threeDigits } from './numbers.js';

const WIDTH = 760;
const HEIGHT = 380;
const LEFT = 62;
const RIGHT = 150;
const TOP = 30;
const BOTTOM = 48;
/** Between two labels, above each other or side by side. */
const LABEL_HEIGHT = 15;
const LABEL_WIDTH = 38;
const MARK = 4;

/** A vertical line with a name: what fits in a cache ends here. */
export interface Mark {
  readonly x: number;
  readonly label: string;
}

interface Scale {
  readonly low: number;
  readonly high: number;
  (value: number): number;
}

function logScale(low: number, high: number, from: number, to: number): Scale {
  const span = Math.log(high / low);
  const place = (value: number): number => {
    return from + ((to - from) * Math.log(value / low)) / (span === 0 ? 1 : span);
  };
  return Object.assign(place, { low, high });
}

const px = (n: number): string => n.toFixed(1);

/** The class of a curve: its colour and its sign. C and JavaScript always have theirs. */
export function seriesClass(label: string, index: number): string {
  if (index === 0) return 's-ours';
  if (label === 'C') return 's-c';
  return label === 'JavaScript' || label === 'dns-packet' ? 's-js' : 's-lib';
}

/** A sign of its own for each curve: colour alone is not for everybody. */
function sign(kind: string, x: number, y: number): string {
  const r = MARK;
  if (kind === 's-c')
    return `<rect x="${px(x - r)}" y="${px(y - r)}" width="${2 * r}" height="${2 * r}"/>`;
  if (kind === 's-js') {
    return `<path d="M${px(x)} ${px(y - r - 1)}l${r + 1} ${2 * r}h-${2 * r + 2}z"/>`;
  }
  if (kind === 's-lib')
    return `<path d="M${px(x)} ${px(y - r - 1)}l${r + 1} ${r + 1}l-${r + 1} ${r + 1}l-${r + 1} -${r + 1}z"/>`;
  return `<circle cx="${px(x)}" cy="${px(y)}" r="${r}"/>`;
}

/** What a plot is drawn in. */
interface Axes {
  readonly x: Scale;
  readonly y: Scale;
  readonly unit: string;
}

function drawCurve(curve: Curve, index: number, { x, y, unit }: Axes): string {
  const kind = seriesClass(curve.label, index);
  const path = curve.points.map(
    (point, i) => `${i === 0 ? 'M' : 'L'}${px(x(point.x))} ${px(y(point.value))}`,
  );
  const points = curve.points.map((point) => {
    const [low, high] = point.range;
    const said = `${curve.label}, ${shortNumber(point.x)}: ${threeDigits(point.value)} ${unit} (half of the samples ${threeDigits(low)} to ${threeDigits(high)})`;
    const whisker = `<line class="whisker" x1="${px(x(point.x))}" x2="${px(x(point.x))}" y1="${px(y(low))}" y2="${px(y(high))}"/>`;
    return `<g class="point" data-x="${point.x}" data-y="${point.value}"><title>${escapeHtml(said)}</title>${whisker}${sign(kind, x(point.x), y(point.value))}</g>`;
  });
  return `<g class="${kind}"><path class="line" d="${path.join('')}"/>${points.join('')}</g>`;
}

/** Names at the ends of the curves, moved apart where they would lie upon each other. */
function endLabels(curves: readonly Curve[], x: Scale, y: Scale): string {
  const ends = curves
    .map((curve, index) => {
      const last = curve.points.at(-1);
      return { curve, index, at: last ? y(last.value) : 0, from: last ? x(last.x) : 0 };
    })
    .sort((a, b) => a.at - b.at);
  let floor = -Infinity;
  return ends
    .map(({ curve, index, at, from }) => {
      const place = Math.max(at, floor + LABEL_HEIGHT);
      floor = place;
      const kind = seriesClass(curve.label, index);
      return `<text class="end ${kind}" x="${px(from + 10)}" y="${px(place + 4)}">${escapeHtml(curve.label)}</text>`;
    })
    .join('');
}

function drawAxes(sweep: SweepModel, xs: readonly number[], x: Scale, y: Scale): string {
  const [left, right, bottom] = [LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM];
  const rows = logTicks(y.low, y.high).map((tick) => {
    const at = px(y(tick));
    return `<line class="grid" x1="${left}" x2="${right}" y1="${at}" y2="${at}"/><text class="tick" text-anchor="end" x="${left - 8}" y="${px(y(tick) + 4)}">${threeDigits(tick)}</text>`;
  });
  let edge = -Infinity;
  const columns = xs.map((tick) => {
    const at = x(tick);
    if (at - edge < LABEL_WIDTH) return '';
    edge = at;
    return `<text class="tick" text-anchor="middle" x="${px(at)}" y="${bottom + 18}">${shortNumber(tick)}</text>`;
  });
  const names = `<text class="axis" text-anchor="middle" x="${(left + right) / 2}" y="${HEIGHT - 8}">${escapeHtml(sweep.axis)}</text><text class="axis" x="${left - 50}" y="16">${escapeHtml(sweep.unit)}</text>`;
  return `${rows.join('')}<line class="base" x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>${columns.join('')}${names}`;
}

function drawMarks(marks: readonly Mark[], x: Scale): string {
  return marks
    .map(({ x: at, label }) => {
      const place = px(x(at));
      return `<line class="cache" x1="${place}" x2="${place}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/><text class="cache" text-anchor="middle" x="${place}" y="${TOP - 6}">${escapeHtml(label)}</text>`;
    })
    .join('');
}

/** Where the bytes of a sweep's tables pass the size of a cache, between two of its places. */
export function cacheMarks(
  sweep: SweepModel,
  caches: readonly { readonly level: string; readonly bytes: number }[],
): Mark[] {
  const places = sweep.subjects.flatMap(({ at }) =>
    at?.bytes === undefined ? [] : [{ x: at.x, bytes: at.bytes }],
  );
  return caches.flatMap(({ level, bytes }) => {
    for (const [i, place] of places.entries()) {
      const before = places[i - 1];
      if (before === undefined || before.bytes > bytes || place.bytes < bytes) continue;
      const share = Math.log(bytes / before.bytes) / Math.log(place.bytes / before.bytes);
      const x = before.x * (place.x / before.x) ** share;
      return [{ x, label: `${level} ${byteSize(bytes)}` }];
    }
    return [];
  });
}

/** A sweep: both axes logarithmic, a sign and a whisker for each place. */
export function sweepPlot(sweep: SweepModel, marks: readonly Mark[]): string {
  const points = sweep.curves.flatMap((curve) => curve.points);
  const xs = [...new Set(points.map((point) => point.x))].sort((a, b) => a - b);
  const values = points.flatMap(({ value, range }) => [value, ...range]).filter((v) => v > 0);
  const x = logScale(xs[0] ?? 1, xs.at(-1) ?? 1, LEFT + 14, WIDTH - RIGHT - 14);
  const y = logScale(Math.min(...values) / 1.15, Math.max(...values) * 1.15, HEIGHT - BOTTOM, TOP);
  const curves = sweep.curves.map((curve, i) => drawCurve(curve, i, { x, y, unit: sweep.unit }));
  const title = `${sweep.name}: ${sweep.unit} by ${sweep.axis}, both axes logarithmic`;
  return `<svg class="plot" role="img" aria-label="${escapeHtml(title)}" viewBox="0 0 ${WIDTH} ${HEIGHT}">${drawAxes(sweep, xs, x, y)}${drawMarks(marks, x)}${curves.reverse().join('')}${endLabels(sweep.curves, x, y)}</svg>`;
}
