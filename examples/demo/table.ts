/** The live table: what WebAssembly decided and what the kernel repeated, node by node. */
import { messageOf } from '../../src/errors.js';
import type { Flow } from '../../src/ops/flow-rows.js';
import { formatTable } from '../../src/ops/format.js';
import type { Agent } from './agent.js';
import type { World } from './world.js';

const HEADINGS = ['NODE', 'LANE', 'DECIDED BY WASM', 'REPEATED BY THE KERNEL', 'FLOWS', 'DROPPED'];
const BAR_MAX = 24;

function grouped(count: number): string {
  return count.toLocaleString('en-US').replaceAll(',', ' ');
}

/** Packets the kernel executed from rows: of the flows there are, and of those that are over. */
function kernelPackets(flows: readonly Flow[], retired: number): number {
  return flows.reduce(
    (sum, { original, reply }) => sum + original.kernelPackets + reply.kernelPackets,
    retired,
  );
}

function dropNames(counters: Readonly<Record<string, number>>, kernel: typeof counters): string {
  const spoofs = Object.entries(kernel).filter(([name]) => name.startsWith('SPOOF'));
  const named = [...spoofs, ...Object.entries(counters)].filter(([, count]) => count > 0);
  return named.map(([name, count]) => `${name} ${count}`).join(', ') || '-';
}

function nodeRow({ node, status, flows }: Agent): string[] {
  try {
    const { lane, counters } = status();
    const present = flows();
    const repeated = kernelPackets(present, counters.lane['RETIRED_KERNEL_PACKETS'] ?? 0);
    return [
      node.name,
      lane.alive ? 'alive' : 'silent',
      grouped(counters.lane['RX_PACKETS'] ?? 0),
      grouped(repeated),
      grouped(present.length),
      dropNames(counters.drops, counters.kernel),
    ];
  } catch (error) {
    // Before the first start there are no tables.
    return [node.name, messageOf(error)];
  }
}

/** A line for each node, and one for each pod that answered. */
export function describeWorld({ agents, hits, offload }: World): string[] {
  const rows = Object.values(agents).map(nodeRow);
  const most = Math.max(1, ...hits.values());
  const pods = [...hits].sort(([a], [b]) => (a < b ? -1 : 1));
  const backends = pods.map(([pod, count]) => {
    const bar = '#'.repeat(Math.round((count / most) * BAR_MAX));
    return [pod, grouped(count).padStart(5), bar];
  });
  return [
    '',
    ...formatTable(HEADINGS, rows).split('\n'),
    '',
    ...formatTable(['BACKEND', 'HITS', ''], backends).split('\n'),
    `offload ${offload ? 'on' : 'off: every packet through WASM'}`,
    '',
  ];
}
