/** One long connection: WebAssembly decides once, the kernel repeats. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Flow } from '../../../src/ops/flow-rows.js';
import type { Agent } from '../agent.js';
import { eventually, expect } from '../checks.js';
import type { Check } from '../checks.js';
import { IPERF_PORT, SERVICES } from '../cluster.js';
import type { World } from '../world.js';

const STREAM_SEC = 4;
const STARTED_MS = 10_000;
/** More than iperf3 says on its control connection, which leads to the same address. */
const STARTED_PACKETS = 200;
const WATCH_MS = 2000;
/** Super-frames or not, a second of a stream is more than this. */
const MANY = 1000;

/** Packets both ways. */
export interface Packets {
  readonly kernel: number;
  readonly lane: number;
}

export function packetsOf({ original, reply }: Flow): Packets {
  return {
    kernel: original.kernelPackets + reply.kernelPackets,
    lane: original.lanePackets + reply.lanePackets,
  };
}

function findBusiest(agent: Agent, to: string): Flow | undefined {
  const flows = agent.flows().filter((flow) => flow.protocol === 'TCP' && flow.to === to);
  const total = ({ original: o, reply: r }: Flow): number =>
    o.kernelBytes + o.laneBytes + r.kernelBytes + r.laneBytes;
  return flows.sort((a, b) => total(b) - total(a))[0];
}

/** The flow to an address that has carried most. @throws Error when there is none */
export function busiestFlow(agent: Agent, to: string): Flow {
  const busiest = findBusiest(agent, to);
  expect(busiest !== undefined, `no TCP flow to ${to} in the table of ${agent.node.name}`);
  return busiest;
}

/** The stream to an address once it is under way, however long its ends take to start. */
function streamTo(agent: Agent, to: string): Promise<Flow> {
  return eventually(STARTED_MS, `no stream to ${to} began on ${agent.node.name}`, () => {
    const flow = findBusiest(agent, to);
    if (flow === undefined) return undefined;
    const { kernel, lane } = packetsOf(flow);
    return kernel + lane > STARTED_PACKETS ? flow : undefined;
  });
}

/** What a flow carries in two seconds. */
async function growth(agent: Agent, to: string): Promise<Packets> {
  const first = await streamTo(agent, to);
  await delay(WATCH_MS);
  const then = agent.flows().find((flow) => flow.from === first.from && flow.to === first.to);
  expect(then !== undefined, `the flow from ${first.from} went away while it was used`);
  const [before, after] = [packetsOf(first), packetsOf(then)];
  return { kernel: after.kernel - before.kernel, lane: after.lane - before.lane };
}

export async function splitPhase(world: World, check: Check): Promise<void> {
  const { topology, agents, clients, offload } = world;
  const [address] = SERVICES.bulk.clusterIPs;
  const shell = topology.pods['shell-1'];
  const streaming = clients.iperf(shell.ns, SERVICES.bulk.name, IPERF_PORT, STREAM_SEC);
  // Looked at twice; its failure belongs to the last check.
  streaming.catch(() => undefined);
  const claim = offload
    ? 'a long connection is repeated by the kernel, not by WASM'
    : 'with offload off a long connection stays with WASM';
  const [one, two] = await Promise.allSettled([
    growth(agents.alpha, `${address}:${IPERF_PORT}`),
    growth(agents.beta, `${topology.pods['web-3'].ipv4}:${IPERF_PORT}`),
  ]);
  await check(claim, () => {
    return [one, two]
      .map((result, i) => {
        if (result.status === 'rejected') throw result.reason;
        const { kernel, lane } = result.value;
        const [much, none] = offload ? [kernel, lane] : [lane, kernel];
        const where = `${i === 0 ? 'alpha' : 'beta'}: kernel +${kernel}, WASM +${lane} packets`;
        expect(much > MANY && none === 0, `in 2 s on ${where}`);
        return where;
      })
      .join('; ');
  });
  await check('pod to bulk, a service of the other node: iperf3 stream', async () => {
    const { bytes, gbitPerSec, retransmits } = await streaming;
    const megabytes = Math.round(bytes / 1e6);
    return `${megabytes} MB, ${gbitPerSec.toFixed(2)} Gbit/s, ${retransmits} retransmits`;
  });
}
