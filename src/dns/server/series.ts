/**
 * Numbers with labels, in the form in which prom-client's registries tell each other theirs. The
 * threads count with these; only who prints them needs the library.
 */

export type Labels = Readonly<Record<string, string>>;

export interface Value {
  readonly value: number;
  readonly labels: Labels;
  /** Of a part of a histogram: `..._bucket`. */
  readonly metricName?: string;
}

/** A metric with its values: what prom-client calls MetricObjectWithValues. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** What is done with the values of several threads. */
  readonly aggregator: string;
  readonly values: readonly Value[];
}

const textOf = (labels: Labels): string => JSON.stringify(labels);

/** Values that add up by their labels. */
export function createSums() {
  const sums = new Map<string, number>();
  return {
    add: (labels: Labels, by: number): void => {
      if (by !== 0) sums.set(textOf(labels), (sums.get(textOf(labels)) ?? 0) + by);
    },
    set: (labels: Labels, value: number): void => {
      sums.set(textOf(labels), value);
    },
    values: (): Value[] =>
      [...sums].map(([labels, value]) => ({ value, labels: JSON.parse(labels) as Labels })),
  };
}

/** Histograms by their labels, from values or from counts of a bucket. */
export function createHistograms(name: string, bounds: readonly number[]) {
  const all = new Map<string, { counts: number[]; sum: number }>();
  const of = (labels: Labels): { counts: number[]; sum: number } => {
    const text = textOf(labels);
    const known = all.get(text) ?? { counts: [...bounds.map(() => 0), 0], sum: 0 };
    all.set(text, known);
    return known;
  };
  const add = (labels: Labels, slot: number, count: number): void => {
    const { counts } = of(labels);
    counts[slot] = (counts[slot] ?? 0) + count;
  };
  return {
    add,
    addSum: (labels: Labels, sum: number): void => {
      of(labels).sum += sum;
    },
    observe: (labels: Labels, value: number): void => {
      const slot = bounds.findIndex((bound) => value <= bound);
      add(labels, slot < 0 ? bounds.length : slot, 1);
      of(labels).sum += value;
    },
    /** By the text of their labels. */
    entries: () => all,
    values: (): Value[] =>
      [...all].flatMap(([text, { counts, sum }]) => {
        const labels = JSON.parse(text) as Labels;
        let total = 0;
        const buckets = counts.map((count, slot) => {
          total += count;
          const le = slot < bounds.length ? String(bounds[slot]) : '+Inf';
          return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: total };
        });
        return [
          ...buckets,
          { metricName: `${name}_sum`, labels, value: sum },
          { metricName: `${name}_count`, labels, value: total },
        ];
      }),
  };
}
