/** Numbers as people read them. */

/** 1, 64, 1k, 256k, 4M: multiples of 1024 or 1000 as people write them, others in full. */
export function shortNumber(n: number): string {
  if (n >= 1 << 20 && n % (1 << 20) === 0) return `${n >> 20}M`;
  if (n >= 1 << 10 && n % (1 << 10) === 0) return `${n >> 10}k`;
  if (n >= 1e6 && n % 1e6 === 0) return `${n / 1e6}M`;
  return n >= 1e3 && n % 1e3 === 0 ? `${n / 1e3}k` : String(n);
}

/** Three significant digits; more would be noise. */
export function threeDigits(n: number): string {
  if (n === 0) return '0';
  const rounded = Number(n.toPrecision(3));
  if (Math.abs(rounded) >= 1000) return rounded.toLocaleString('en-US').replaceAll(',', ' ');
  return String(rounded);
}

/** "32 KiB", "1 MiB" */
export function byteSize(bytes: number): string {
  return bytes >= 1 << 20 ? `${bytes / (1 << 20)} MiB` : `${bytes / (1 << 10)} KiB`;
}

/** How many times better than the rival, which way "better" may go. */
export function timesBetter(ratio: number, better: 'higher' | 'lower'): number {
  return better === 'lower' ? 1 / ratio : ratio;
}

/**
 * What a ratio says in words. Half of the pairs lie within `spread`: a difference of less than half
 * of it has not been shown.
 */
export function inWords(ratio: number, spread: number, better: 'higher' | 'lower'): string {
  if (isUndecided(ratio, spread)) return 'no difference shown';
  const times = timesBetter(ratio, better);
  const [more, less] = better === 'lower' ? ['faster', 'slower'] : ['more', 'less'];
  return times >= 1 ? `${threeDigits(times)}× ${more}` : `${threeDigits(1 / times)}× ${less}`;
}

/** Whether a ratio lies too near to 1 for the spread it was measured with. */
export function isUndecided(ratio: number, spread: number): boolean {
  return Math.abs(ratio - 1) < (spread * ratio) / 2;
}

/** Ticks of a logarithmic axis: 1, 2 and 5 of each decade, fewer where there are many decades. */
export function logTicks(low: number, high: number): number[] {
  const decades = Math.log10(high / low);
  const steps =
    decades > 5
      ? [1]
      : decades > 2.4
        ? [1, 3]
        : decades > 1.2
          ? [1, 2, 5]
          : [1, 1.5, 2, 3, 4, 5, 6, 8];
  const ticks: number[] = [];
  for (let exponent = Math.floor(Math.log10(low)); 10 ** exponent <= high; exponent++) {
    for (const step of steps) {
      const tick = Number((step * 10 ** exponent).toPrecision(3));
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  }
  return ticks;
}
