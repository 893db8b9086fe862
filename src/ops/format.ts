/** Plain text for people: columns wide enough for what is in them, and nothing that JSON has not. */
import type { Replayed } from '../replay.js';
import type { Flow } from './flow-rows.js';
import type { Status } from './status.js';

/** Rows under their headings, left-aligned. */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  return [headings, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)}s`;
}

export function formatFlows(flows: readonly Flow[]): string {
  if (flows.length === 0) return 'no flows';
  const rows = [...flows]
    .sort((a, b) => a.idleMs - b.idleMs)
    .map((flow) => [
      flow.protocol,
      flow.from,
      flow.to,
      flow.translatedTo === flow.to ? '-' : flow.translatedTo,
      flow.state ?? '-',
      flow.action,
      `${String(flow.original.kernelPackets)}/${String(flow.reply.kernelPackets)}`,
      `${String(flow.original.lanePackets)}/${String(flow.reply.lanePackets)}`,
      seconds(flow.idleMs),
      seconds(flow.ageMs),
    ]);
  const headings = [
    'PROTO',
    'FROM',
    'TO',
    'BACKEND',
    'STATE',
    'ACTION',
    'KERNEL',
    'LANE',
    'IDLE',
    'AGE',
  ];
  return formatTable(headings, rows);
}

function nonZero(counters: Readonly<Record<string, number>>): string {
  const shown = Object.entries(counters).filter(([, count]) => count !== 0);
  return shown.map(([name, count]) => `${name} ${String(count)}`).join(', ') || 'nothing yet';
}

export function formatStatus({ nodeName, lane, counters, agent }: Status): string {
  const beat = seconds(lane.heartbeatAgeMs);
  const lines = [
    `node      ${nodeName}`,
    `lane      ${lane.alive ? 'alive' : 'silent: the kernel repeats what was decided'}, last turn ${beat} ago`,
    `offload   ${lane.offload ? 'on' : 'off'}`,
    `rows      ${String(lane.rows4)} IPv4, ${String(lane.rows6)} IPv6 (two a flow)`,
    `decided   ${nonZero(counters.lane)}`,
    `kernel    ${nonZero(counters.kernel)}`,
    `drops     ${nonZero(counters.drops)}`,
  ];
  if (!agent) return [...lines, 'agent     has not written its state yet'].join('\n');
  lines.push(
    `agent     pid ${String(agent.pid)} since ${agent.since}, ${String(agent.pods)} pods`,
    ...agent.ports.map((port) => `port      ${port}`),
    ...agent.problems.map((problem) => `problem   ${problem}`),
  );
  return lines.join('\n');
}

export function formatReplayed({ number, from, verdict, reason, way }: Replayed): string {
  return `${String(number)} ${from} ${verdict} ${reason ?? way ?? ''}`.trimEnd();
}
