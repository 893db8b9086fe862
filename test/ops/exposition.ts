/**
 * A strict reader of the text exposition format: what it takes, promtool takes.
 *
 * Spec  prometheus/docs, instrumenting/exposition_formats.md, version 0.0.4
 */

export interface MetricFamily {
  readonly type: string;
  readonly help: string;
  /** By series as it was written. */
  readonly samples: Map<string, number>;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
const HELP_LINE = new RegExp(`^# HELP (${NAME}) (\\S.*)$`);
const TYPE_LINE = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram|summary|untyped)$`);
const VALUE = '[+-]?(?:\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?|Inf)|NaN|Nan';
const SAMPLE_LINE = new RegExp(
  `^((${NAME})(?:\\{((?:${LABEL})(?:,${LABEL})*)\\})?) (${VALUE})$`,
  'i',
);
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  histogram: ['_bucket', '_sum', '_count'],
  summary: ['', '_sum', '_count'],
};

function numberOf(text: string): number {
  return Number(text.replace('Inf', 'Infinity'));
}

/** Cumulative buckets end in +Inf, and that one is the count. */
function checkHistogram(name: string, { samples }: MetricFamily): void {
  const series = new Map<string, { bounds: number[]; counts: number[] }>();
  for (const [key, value] of samples) {
    const le = /[{,]le="([^"]+)"/.exec(key)?.[1];
    if (!key.startsWith(`${name}_bucket`) || le === undefined) continue;
    const rest = key
      .slice(key.indexOf('{'))
      .replace(/,?le="[^"]+"/, '')
      .replace('{,', '{');
    const known = series.get(rest) ?? { bounds: [], counts: [] };
    known.bounds.push(numberOf(le));
    known.counts.push(value);
    series.set(rest, known);
  }
  for (const [rest, { bounds, counts }] of series) {
    const total = samples.get(`${name}_count${rest === '{}' ? '' : rest}`);
    const isRising = (list: number[]) => list.every((n, i) => i === 0 || n >= (list[i - 1] ?? n));
    const isWhole = bounds.at(-1) === Infinity && counts.at(-1) === total;
    if (!isRising(bounds) || !isRising(counts) || !isWhole) throw new Error(`${name}: ${rest}`);
  }
}

function checkFamily(name: string, family: MetricFamily): void {
  const { type, help, samples } = family;
  if (help.length < 3) throw new Error(`${name}: no help`);
  if (type === 'counter' && !name.endsWith('_total')) throw new Error(`${name}: no _total`);
  if (type === 'counter' && [...samples.values()].some((value) => !(value >= 0))) {
    throw new Error(`${name}: a counter below zero`);
  }
  if (type === 'histogram') checkHistogram(name, family);
}

/** @throws on the first line that is not as it must be, and on promtool's lints of names */
export function parseExposition(text: string): Map<string, MetricFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, MetricFamily>();
  let help: RegExpExecArray | undefined;
  let current: { name: string; family: MetricFamily } | undefined;
  for (const [i, line] of text.slice(0, -1).split('\n').entries()) {
    const fail = (why: string) => new Error(`line ${i + 1}: ${why}: ${line}`);
    if (line === '') continue;
    if (line.startsWith('# HELP')) {
      help = HELP_LINE.exec(line) ?? undefined;
      if (help === undefined) throw fail('HELP');
    } else if (line.startsWith('#')) {
      const [, name = '', type = ''] = TYPE_LINE.exec(line) ?? [];
      if (name === '' || help?.[1] !== name) throw fail('TYPE without its HELP');
      if (families.has(name)) throw fail('twice');
      current = { name, family: { type, help: help[2] ?? '', samples: new Map() } };
      families.set(name, current.family);
    } else {
      const [, series = '', name = '', labels = '', value = ''] = SAMPLE_LINE.exec(line) ?? [];
      if (series === '' || current === undefined) throw fail('no sample');
      const suffixes = SUFFIXES[current.family.type] ?? [''];
      if (!suffixes.some((suffix) => name === `${current?.name ?? ''}${suffix}`)) {
        throw fail(`no series of ${current.name}`);
      }
      const names = [...labels.matchAll(/([a-zA-Z_]\w*)="/g)].map(([, label]) => label);
      if (new Set(names).size < names.length) throw fail('a label twice');
      if (current.family.samples.has(series)) throw fail('a series twice');
      current.family.samples.set(series, numberOf(value));
    }
  }
  for (const [name, family] of families) checkFamily(name, family);
  return families;
}
