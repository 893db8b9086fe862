/** What a running server counts. */
import type { Served } from './served.js';

const PATIENCE_MS = 15_000;
const PAUSE_MS = 20;

/** Sum of the series whose names begin so: `NAME` or `NAME{labels}`, as they are printed. */
function sumOf(text: string, series: string): number {
  return text
    .split('\n')
    .filter((line) => [' ', '{'].some((after) => line.startsWith(series + after)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** The value of a metric once it is right; the last one seen when it never is. */
export async function metricOf(
  server: Served,
  series: string,
  isRight: (value: number) => boolean = () => true,
): Promise<number> {
  const endMs = Date.now() + PATIENCE_MS;
  for (;;) {
    const value = sumOf((await server.fetch('/metrics')).body, series);
    if (isRight(value) || Date.now() > endMs) return value;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
