/** Flows of the node, read from the pinned rows and tallies. */
import * as native from '../native.js';
import { readFlowTable } from './flow-rows.js';
import type { Flow } from './flow-rows.js';
import { mapPinned } from './tables.js';

/** All flows of the node, original directions only; each names its reply's counters too. */
export function readFlows(pinDir: string): Flow[] {
  const rows4 = mapPinned(pinDir, 'flows4');
  const tally4 = mapPinned(pinDir, 'tally4');
  const rows6 = mapPinned(pinDir, 'flows6');
  const tally6 = mapPinned(pinDir, 'tally6');
  const now = native.monotonicMs();
  return [
    ...readFlowTable({ family: 4, rows: rows4, tallies: tally4 }, now),
    ...readFlowTable({ family: 6, rows: rows6, tallies: tally6 }, now),
  ];
}
