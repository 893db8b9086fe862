/** The core in a page: every vector, then the throughput loops. Nothing here knows who asks. */
import { readVectors, runAll, start } from '../js/run.ts';
import type { Run } from '../js/run.ts';

/** What the page leaves in `#result`, as JSON. */
export interface PageResult extends Run {
  /** From the request for the module to the first answer of an export. */
  readonly startMs: number;
}

async function fetchJson(path: string): Promise<unknown> {
  const response = await fetch(`/vectors/${path}`);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${response.statusText}`);
  return response.json();
}

async function main(): Promise<PageResult> {
  const { module, startMs } = await start(() => WebAssembly.compileStreaming(fetch('/core.wasm')));
  const names = (await fetchJson('')) as string[];
  const run = runAll(module, await readVectors(names, fetchJson));
  return { ...run, startMs };
}

const output = document.querySelector<HTMLOutputElement>('#result');
if (!output) throw new Error('the page has no #result');
try {
  output.value = JSON.stringify(await main(), undefined, 1);
  output.dataset.state = 'done';
} catch (error) {
  output.value = error instanceof Error ? error.message : String(error);
  output.dataset.state = 'failed';
}
