/** What the agents count as lost: part of the story of a check that fails. */
import type { Counters } from '../../src/ops/tables.js';
import type { Agent } from './agent.js';

/** Packets that no drop reason of the lane names; the others of the kernel's counters are no loss. */
const KERNEL_LOSSES = [
  'SPOOF_IPV4',
  'SPOOF_IPV6',
  'LANE_SILENT_PASS',
  'LANE_SILENT_DROP',
  'BAD_STAMP',
  'UNKNOWN_LINK',
];

/** By node and reason: `alpha FLOW_TABLE_FULL`. */
type Losses = ReadonlyMap<string, number>;

export interface Watch {
  /** Packets lost since it began, by node and reason; empty when there are none. */
  since(): string;
}

function* lossesOf({ drops, kernel }: Counters): Generator<readonly [string, number]> {
  yield* Object.entries(drops);
  for (const name of KERNEL_LOSSES) yield [name, kernel[name] ?? 0];
}

function read(agents: readonly Agent[]): Losses {
  return new Map(
    agents.flatMap((agent) =>
      [...lossesOf(agent.status().counters)].map(
        ([reason, count]) => [`${agent.node.name} ${reason}`, count] as const,
      ),
    ),
  );
}

/** @param agents  whose tables are there, whether they run or not */
export function watchLosses(agents: readonly Agent[]): Watch {
  const before = read(agents);
  return {
    since: () =>
      [...read(agents)]
        .map(([name, count]) => [name, count - (before.get(name) ?? 0)] as const)
        .filter(([, lost]) => lost > 0)
        .map(([name, lost]) => `${name} +${lost}`)
        .join(', '),
  };
}
