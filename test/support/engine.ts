/**
 * A node for tests: one core whose tables are compiled from Kubernetes objects as the agent does
 * it, two pods, the host, one uplink, and a clock that the test turns.
 */
import * as abi from '../../assembly/abi.js';
import { parseAddress, parseMac } from '../../src/addr.js';
import { createControl } from '../../src/compile/control.js';
import type { Control, ControlOptions } from '../../src/compile/control.js';
import type { Link } from '../../src/compile/links.js';
import { createCore } from '../../src/core/instance.js';
import type { Core, StartOptions } from '../../src/core/core.js';
import { SMALL_CAPACITIES } from '../../src/core/regions.js';
import type { Capacities } from '../../src/core/regions.js';
import type { SourceEvent } from '../../src/model/events.js';
import { namedKey } from '../../src/model/keys.js';
import { openMemoryPort } from '../../src/port/memory.js';
import type { MemoryPort } from '../../src/port/memory.js';
import { createRingSpace } from '../../src/port/port.js';
import { HERE, node, pod, put } from '../model/objects.js';
import { type Seen, see } from './frames.js';

export const IF = { TRUNK: 2, UPLINK: 3, POD_A: 10, POD_B: 11 } as const;
export const A4 = '10.244.1.2';
export const A6 = 'fd00:10:244:1::2';
export const B4 = '10.244.1.3';
export const B6 = 'fd00:10:244:1::3';
export const NODE4 = '192.168.0.1';
export const NODE6 = 'fd00:192:168::1';
/** A pod of the other node. */
export const REMOTE4 = '10.244.2.7';
export const REMOTE6 = 'fd00:10:244:2::7';
/** Somebody beyond the uplink. */
export const OUTSIDE4 = '198.51.100.9';
export const OUTSIDE6 = '2001:db8:100::9';
export const MAC = {
  POD_A: '02:00:00:00:00:0a',
  POD_B: '02:00:00:00:00:0b',
  GATEWAY: '02:53:00:00:00:01',
  UPLINK: '02:00:00:00:00:03',
  TRUNK: '02:00:00:00:00:02',
} as const;
/** Constant, so that a failing test fails again. */
const HASH_SEED = 0x51ce;
export const START_MS = 10_000_000;

export interface Decided {
  readonly verdict: abi.Verdict;
  readonly drop: abi.Drop;
  readonly action: abi.Action;
  readonly outIfindex: number;
  /** The frame as it was left. */
  readonly frame: Uint8Array;
  readonly seen: Seen;
  /** Address of the flow row that was used or made; 0 = none. */
  readonly row: number;
}

export interface FlowRow {
  readonly idx: number;
  readonly family: 4 | 6;
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
  readonly newSrc: string;
  readonly newDst: string;
  readonly newSport: number;
  readonly newDport: number;
  readonly proto: number;
  readonly action: abi.Action;
  readonly inIfindex: number;
  readonly outIfindex: number;
  readonly isReply: boolean;
  readonly state: abi.TcpState;
  /** Linear addresses. */
  readonly ptr: number;
  readonly tally: number;
}

export interface Engine {
  readonly core: Core;
  /** Monotonic milliseconds of the next call; tests move it. */
  nowMs: number;
  /** Take objects in and program what they change. @throws when the core refuses a record */
  apply(...events: SourceEvent[]): void;
  setLinks(links: readonly Link[]): void;
  /** Tell the control plane something else, and program what it changes. */
  tell(what: (control: Control) => void): void;
  /** One frame through `processFrame`. */
  send(ifindex: number, frame: Uint8Array): Decided;
  /** Live rows of both tables, by index. */
  flows(): FlowRow[];
  /** The row with this tuple. @throws when there is none */
  flow(src: string, sport: number, dst: string, dport: number): FlowRow;
  /** What the kernel programs do to a tally when they execute a row. */
  kernelHit(row: FlowRow, packets?: number): void;
  /** Visit every slot of both tables once. @returns flows forgotten */
  sweepAll(): number;
  counter(counter: abi.LaneCounter): number;
  drops(reason: abi.Drop): number;
  control(offset: number): number;
}

export interface EngineOptions {
  readonly capacities?: Partial<Capacities>;
  readonly module?: WebAssembly.Module;
  readonly links?: readonly Link[];
  /** Default: from START_MS on. */
  readonly nowMs?: number;
  readonly core?: Core;
  readonly control?: Partial<ControlOptions>;
  /** Of the node; default NODE4 and NODE6. */
  readonly localAddresses?: readonly string[];
  readonly timeoutsMs?: NonNullable<StartOptions['timeoutsMs']>;
}

function link(kind: 'pod', ifindex: number, name: string, mac: string): Link {
  const ownMac = parseMac(MAC.GATEWAY);
  return { kind, ifindex, pod: namedKey('default', name), mac: parseMac(mac), ownMac, mtu: 1500 };
}

export const LINKS: readonly Link[] = [
  link('pod', IF.POD_A, 'a', MAC.POD_A),
  link('pod', IF.POD_B, 'b', MAC.POD_B),
  { kind: 'host', ifindex: IF.TRUNK, ownMac: parseMac(MAC.TRUNK), mtu: 1500 },
  { kind: 'uplink', name: 'eth0', ifindex: IF.UPLINK, ownMac: parseMac(MAC.UPLINK), mtu: 1500 },
];

/** Frames of tests lie in the lower half of SCRATCH; Maglev works in the upper. */
export const FRAME_PTR = abi.SCRATCH_BASE + abi.FRAME_HEADROOM;

export function openEngine(options: EngineOptions = {}): Engine {
  const capacities = { ...SMALL_CAPACITIES, ...options.capacities };
  const core = options.core ?? createCore(capacities, options.module);
  core.start({
    offload: true,
    nowMs: options.nowMs ?? START_MS,
    timeoutsMs: options.timeoutsMs ?? {},
  });
  if (options.core === undefined) setHashKeys(core);
  const control = createControl({ nodeName: HERE, capacities, ...options.control });
  const program = (): void => {
    const batch = control.flush();
    core.apply(batch);
    const problems = control.acknowledge(batch);
    if (problems.length > 0) throw new Error(JSON.stringify(problems));
  };
  const engine: Engine = {
    core,
    nowMs: options.nowMs ?? START_MS,
    apply: (...events) => {
      for (const event of events) control.apply(event);
      program();
    },
    setLinks: (links) => {
      control.setLinks(links);
      program();
    },
    tell: (what) => {
      what(control);
      program();
    },
    send: (ifindex, frame) => send(core, ifindex, frame, engine.nowMs),
    flows: () => [...rowsOf(core, 4), ...rowsOf(core, 6)],
    flow: (src, sport, dst, dport) => {
      const found = engine
        .flows()
        .find(
          (row) => row.src === src && row.dst === dst && row.sport === sport && row.dport === dport,
        );
      if (found === undefined) throw new Error(`no flow ${src}:${sport} > ${dst}:${dport}`);
      return found;
    },
    kernelHit: ({ tally }, packets = 1) => {
      const { words } = core;
      const add = (offset: number, by: number): void => {
        const at = tally + offset;
        words.setBigUint64(at, words.getBigUint64(at, true) + BigInt(by), true);
      };
      add(abi.TALLY_KERNEL_PACKETS_OFF, packets);
      add(abi.TALLY_KERNEL_BYTES_OFF, packets * 100);
      const seen = BigInt(Math.floor(engine.nowMs)) * 1_000_000n;
      words.setBigUint64(tally + abi.TALLY_KERNEL_SEEN_NS_OFF, seen, true);
    },
    sweepAll: () => core.exports.sweep(engine.nowMs, 1 << 20),
    counter: (counter) => counterAt(core, abi.COUNTER_LANE_BASE + counter),
    drops: (reason) => counterAt(core, abi.COUNTER_DROP_BASE + reason),
    control: (offset) => core.words.getUint32(abi.CONTROL_BASE + offset, true),
  };
  control.apply({ type: 'synced' });
  control.setLinks(options.links ?? LINKS);
  control.setLocalAddresses((options.localAddresses ?? [NODE4, NODE6]).map(parseAddress));
  engine.apply(
    put('Node', node(HERE, ['10.244.1.0/24', 'fd00:10:244:1::/64'], [NODE4, NODE6])),
    put('Node', node('node-b', ['10.244.2.0/24', 'fd00:10:244:2::/64'], ['192.168.0.2'])),
    put('Pod', pod('a', [A4, A6])),
    put('Pod', pod('b', [B4, B6])),
  );
  return engine;
}

function setHashKeys(core: Core): void {
  let seed = HASH_SEED;
  for (let i = 0; i < abi.HASH_KEYS; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    core.words.setUint32(abi.CONTROL_BASE + abi.CONTROL_HASH_KEYS_OFF + i * 4, seed, true);
  }
}

function counterAt(core: Core, word: number): number {
  return Number(core.words.getBigUint64(abi.COUNTERS_BASE + word * 8, true));
}

/** @param at  linear address the frame is put at */
export function send(
  core: Core,
  ifindex: number,
  frame: Uint8Array,
  nowMs: number,
  at = FRAME_PTR,
): Decided {
  const { view, words } = core;
  view.set(frame, at);
  const verdict: abi.Verdict = core.exports.processFrame(ifindex, at, frame.length, nowMs);
  const len = words.getUint32(abi.PKTS_BASE + abi.PKT_LEN_OFF, true);
  const after = view.slice(at, at + len);
  return {
    verdict,
    drop: words.getUint8(abi.PKTS_BASE + abi.PKT_DROP_OFF),
    action: words.getUint8(abi.PKTS_BASE + abi.PKT_ACTION_OFF),
    outIfindex: words.getUint32(abi.PKTS_BASE + abi.PKT_OUT_IFINDEX_OFF, true),
    row: words.getUint32(abi.PKTS_BASE + abi.PKT_ROW_OFF, true),
    frame: after,
    get seen() {
      return see(after);
    },
  };
}

const LAYOUT = {
  4: {
    rows: abi.RegionId.FLOWS4,
    tallies: abi.RegionId.TALLY4,
    size: abi.FLOW4_SIZE,
    width: 4,
    offsets: [abi.FLOW4_SRC_OFF, abi.FLOW4_DST_OFF, abi.FLOW4_NEW_SRC_OFF, abi.FLOW4_NEW_DST_OFF],
  },
  6: {
    rows: abi.RegionId.FLOWS6,
    tallies: abi.RegionId.TALLY6,
    size: abi.FLOW6_SIZE,
    width: 16,
    offsets: [abi.FLOW6_SRC_OFF, abi.FLOW6_DST_OFF, abi.FLOW6_NEW_SRC_OFF, abi.FLOW6_NEW_DST_OFF],
  },
} as const;

export function addressAt(core: Core, ptr: number, width: number): string {
  const bytes = core.view.slice(ptr, ptr + width);
  if (width === 4) return bytes.join('.');
  const groups = Buffer.from(bytes).toString('hex').match(/..../g) ?? [];
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

/** Live rows of one table. */
export function rowsOf(core: Core, family: 4 | 6): FlowRow[] {
  const { words } = core;
  const { rows, tallies, size, width, offsets } = LAYOUT[family];
  const table = core.region(rows);
  const found: FlowRow[] = [];
  for (let idx = 0; idx < table.capacity; idx++) {
    const ptr = table.base + idx * size;
    const seq = words.getUint32(ptr + abi.FLOW_SEQ_OFF, true);
    if (seq === 0 || seq % 2 === 1) continue;
    const tally = core.region(tallies).base + idx * abi.TALLY_SIZE;
    const [src, dst, newSrc, newDst] = offsets.map((off) => addressAt(core, ptr + off, width));
    const port = (off: number): number => words.getUint16(ptr + off, false);
    found.push({
      idx,
      family,
      src: src ?? '',
      dst: dst ?? '',
      newSrc: newSrc ?? '',
      newDst: newDst ?? '',
      sport: port(abi.FLOW_PORTS_OFF),
      dport: port(abi.FLOW_PORTS_OFF + 2),
      newSport: port(abi.FLOW_NEW_PORTS_OFF),
      newDport: port(abi.FLOW_NEW_PORTS_OFF + 2),
      proto: words.getUint8(ptr + abi.FLOW_PROTO_OFF),
      action: words.getUint8(ptr + abi.FLOW_ACTION_OFF),
      inIfindex: words.getUint32(ptr + abi.FLOW_IN_IFINDEX_OFF, true),
      outIfindex: words.getUint32(ptr + abi.FLOW_OUT_IFINDEX_OFF, true),
      isReply: (words.getUint8(ptr + abi.FLOW_FLAGS_OFF) & abi.FLOW_F_REPLY) !== 0,
      state: words.getUint8(tally + abi.TALLY_STATE_OFF),
      ptr,
      tally,
    });
  }
  return found;
}

/** Memory ports of a node: the trunk first, then links with a port of their own. */
export function openPorts(
  engine: Engine,
  specs: readonly {
    readonly ifindex: number;
    readonly kind?: abi.PortKind.FRAMES | abi.PortKind.VNET;
    readonly ringSize?: number;
  }[] = [{ ifindex: 0 }],
): MemoryPort[] {
  const space = createRingSpace(engine.core);
  return specs.map((spec, idx) => {
    const port = openMemoryPort(engine.core, space, { ringSize: 128, ...spec, idx });
    engine.core.exports.attachPort(idx);
    return port;
  });
}

/** A frame as it climbs: the link it came from stands in the source address. */
export function stamped(ifindex: number, frame: Uint8Array): Uint8Array {
  const climbing = frame.slice();
  climbing.set([0x02, 0x53], 6);
  new DataView(climbing.buffer).setUint32(8, ifindex, true);
  return climbing;
}

/** Where a frame that the core has put on the trunk is to go. */
export function readStamp(frame: Uint8Array): { action: abi.Action; ifindex: number } | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint16(0) !== 0x0253 || view.getUint16(6) !== 0x0253) return undefined;
  if (view.getUint16(9) !== 0 || frame[11] !== 0) return undefined;
  return { action: frame[8] ?? 0, ifindex: view.getUint32(2, true) };
}
