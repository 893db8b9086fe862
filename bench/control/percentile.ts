/** @param sorted  ascending @throws RangeError on an empty list */
export function percentile(sorted: readonly number[], share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (value === undefined) throw new RangeError('percentile of no samples');
  return value;
}
