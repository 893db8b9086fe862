/**
 * What things occupy, in MiB:
 *
 *   control/memory/10k-services    ten thousand services of one endpoint: heap; /rss: whole process
 *   control/memory/100k-endpoints  what ninety endpoints more a service add, a hundred thousand in
 *                                  all: the heap of 1000 x 101 less that of 1000 x 1
 *   control/memory/1M-flows        rows and tallies of a million IPv4 flows; /v6: of IPv6
 */
import { fileURLToPath } from 'node:url';
import { FLOW4_SIZE, FLOW6_SIZE, TALLY_SIZE } from '../../assembly/abi.js';
import { alone, type Context, type Result, type Suite } from '../harness.js';
import { run as runProgram } from '../net/sh.js';
import { missingCore } from './missing.js';
import type { Scale } from './scale.js';

const CHILD = fileURLToPath(new URL('memory-child.ts', import.meta.url));
const MIB = 1 << 20;
/** Memory hardly varies. */
const RUNS = 3;

interface Occupied {
  readonly heap: number;
  readonly rss: number;
}

async function occupied(scale: Scale): Promise<Occupied> {
  const loader = `--import=${import.meta.resolve('tsx')}`;
  const args = ['--expose-gc', loader, CHILD, JSON.stringify(scale)];
  return JSON.parse(await runProgram({}, process.execPath, ...args)) as Occupied;
}

function mebibytes(name: string, bytes: readonly number[]): Result {
  const label = { name, unit: 'MiB', better: 'lower' } as const;
  return alone(
    label,
    bytes.map((value) => value / MIB),
  );
}

const NAMES = ['control/memory/10k-services', 'control/memory/100k-endpoints'] as const;

async function runClusters({ quick }: Context): Promise<Result[]> {
  const services: Occupied[] = [];
  const endpoints: number[] = [];
  for (let i = 0; i < (quick ? 1 : RUNS); i++) {
    services.push(await occupied({ services: 10_000, endpoints: 1 }));
    const few = await occupied({ services: 1000, endpoints: 1 });
    const many = await occupied({ services: 1000, endpoints: 101 });
    endpoints.push(many.heap - few.heap);
  }
  return [
    mebibytes(
      NAMES[0],
      services.map(({ heap }) => heap),
    ),
    mebibytes(
      `${NAMES[0]}/rss`,
      services.map(({ rss }) => rss),
    ),
    mebibytes(NAMES[1], endpoints),
  ];
}

/** Two rows and two tallies a flow, in tables twice as large: half of the slots stay free. */
function runFlows(): Promise<Result[]> {
  const flows = 1_000_000;
  const slots = 2 ** Math.ceil(Math.log2(2 * flows));
  const bytes = (row: number): number => slots * (row + TALLY_SIZE);
  return Promise.resolve([
    mebibytes('control/memory/1M-flows', [bytes(FLOW4_SIZE)]),
    mebibytes('control/memory/1M-flows/v6', [bytes(FLOW6_SIZE)]),
  ]);
}

export const suites: readonly Suite[] = [
  { names: [NAMES[0], `${NAMES[0]}/rss`, NAMES[1]], missing: missingCore, run: runClusters },
  {
    names: ['control/memory/1M-flows', 'control/memory/1M-flows/v6'],
    missing: missingCore,
    run: runFlows,
  },
];
