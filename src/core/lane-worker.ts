/**
 * The worker thread that is a lane: owns the memory, maps the kernel's tables into it, opens the
 * ports and serves them. It talks with the control thread by messages that it reads between turns.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import {
  CONTROL_BASE,
  CONTROL_BYTES,
  CONTROL_FAIL_MODE_OFF,
  CONTROL_TRUNK_IFINDEX_OFF,
  CONTROL_TUNNEL_PORT_OFF,
  CONTROL_TUNNEL_VNI_OFF,
  COUNTERS_BASE,
  COUNTERS_BYTES,
  DELTA_SIZE,
  FailMode,
  RegionId,
} from '../../assembly/abi.js';
import { DNS_COUNTERS_BASE, DNS_COUNTERS_BYTES } from '../../assembly/abi-dns.js';
import { DataplaneError, messageOf } from '../errors.js';
import * as native from '../native.js';
import { openPacketPort } from '../port/packet.js';
import { createRingSpace } from '../port/port.js';
import type { Port } from '../port/port.js';
import { openXdpPort } from '../port/xdp.js';
import { createCore } from './instance.js';
import type { Core } from './core.js';
import { runLane } from './lane.js';
import type { FromLane, LaneSpec, PortSpec, ToLane } from './lane-messages.js';
import { nameLoads } from './names-writer.js';
import { readQueryLog } from './query-log.js';
import { traceIn } from './trace.js';

/** Put the pinned tables in their place: from here on a stored row is what the kernel executes. */
function mapTables(core: Core, spec: LaneSpec): void {
  const { maps } = spec;
  native.mapFd(maps.control, core.view, CONTROL_BASE, CONTROL_BYTES);
  native.mapFd(maps.counters, core.view, COUNTERS_BASE, COUNTERS_BYTES);
  const tables = [
    [maps.flows4, RegionId.FLOWS4],
    [maps.tally4, RegionId.TALLY4],
    [maps.flows6, RegionId.FLOWS6],
    [maps.tally6, RegionId.TALLY6],
  ] as const;
  for (const [fd, id] of tables) {
    const { base, rowSize, capacity } = core.region(id);
    native.mapFd(fd, core.view, base, rowSize * capacity);
  }
}

function openPorts(core: Core, specs: readonly PortSpec[]): Port[] {
  const space = createRingSpace(core);
  const ports: Port[] = [];
  let shareFd: number | undefined;
  specs.forEach((spec, idx) => {
    if (spec.kind === 'packet') {
      ports.push(openPacketPort(core, space, { ...spec, idx }));
      return;
    }
    // The trunk is a veth, which copies; uplinks may do better and share among themselves.
    const isTrunk = spec.link === 0;
    const share = isTrunk || shareFd === undefined ? {} : { shareFd };
    const port = openXdpPort(core, space, { ...spec, idx, ...share });
    if (!isTrunk) shareFd ??= port.fd;
    ports.push(port);
  });
  ports.forEach((_, idx) => {
    core.exports.attachPort(idx);
  });
  return ports;
}

/** Records applied between two bursts: a large batch must not hold up the packets. */
const RECORDS_PER_TURN = 128;

/** Bytes of name records: they take longer for each, and there may be many. */
const NAME_BYTES_PER_TURN = 8192;

interface Mailbox {
  /** Messages received so far. */
  read(): number;
  /** A batch is half applied. */
  isBusy(): boolean;
  /** Receive, or go on with a batch. @returns false: stop */
  step(): boolean;
}

/** Does the next part of a piece of work. @returns false when all is done */
type Work = () => boolean;

function deltaWork(core: Core, { id, records }: Mail<'delta'>, say: Say): Work {
  let at = 0;
  let applied = 0;
  return () => {
    const end = Math.min(at + RECORDS_PER_TURN * DELTA_SIZE, records.length);
    applied += core.apply(records.subarray(at, end));
    at = end;
    if (at < records.length) return true;
    say({ type: 'applied', id, applied, records }, [records.buffer as ArrayBuffer]);
    return false;
  };
}

function namesWork(core: Core, { id, records }: Mail<'names'>, say: Say): Work {
  const loads = nameLoads(records, NAME_BYTES_PER_TURN);
  return () => {
    const load = loads.next();
    if (!load.done) {
      core.applyNames(load.value);
      return true;
    }
    say({ type: 'named', id, records }, [records.buffer as ArrayBuffer]);
    return false;
  };
}

function dnsCounters({ view }: Core): BigUint64Array {
  return new BigUint64Array(
    view.slice(DNS_COUNTERS_BASE, DNS_COUNTERS_BASE + DNS_COUNTERS_BYTES).buffer,
  );
}

function createMailbox(core: Core, control: MessagePort, say: Say): Mailbox {
  let read = 0;
  let work: Work | undefined;
  let isOver = false;
  const open: { [K in ToLane['type']]: (message: Mail<K>) => Work | undefined } = {
    delta: (message) => deltaWork(core, message, say),
    names: (message) => namesWork(core, message, say),
    dnsCounters: ({ id }) => {
      say({ type: 'dnsCounted', id, counters: dnsCounters(core) });
      return undefined;
    },
    queries: ({ id, since }) => {
      say({ type: 'queried', id, page: readQueryLog(core, since) });
      return undefined;
    },
    trace: ({ id, ifindex, frame }) => {
      say({ type: 'traced', id, traced: traceIn(core, ifindex, frame, native.monotonicMs()) });
      return undefined;
    },
    stop: () => {
      isOver = true;
      return undefined;
    },
  };
  return {
    read: () => read,
    isBusy: () => work !== undefined,
    step: () => {
      if (!work) {
        const received = receiveMessageOnPort(control) as { message: ToLane } | undefined;
        if (!received) return true;
        read = (read + 1) | 0;
        const { message } = received;
        work = (open[message.type] as (message: ToLane) => Work | undefined)(message);
      }
      if (work && !work()) work = undefined;
      return !isOver;
    },
  };
}

type Mail<K extends ToLane['type']> = Extract<ToLane, { type: K }>;

type Say = (message: FromLane, transfer?: ArrayBuffer[]) => void;

function main(): void {
  const control = parentPort;
  if (!control) throw new DataplaneError('ERR_LANE', 'a lane runs in a worker thread');
  const spec = workerData as LaneSpec;
  const say: Say = (message, transfer = []) => {
    control.postMessage(message, transfer);
  };
  if (spec.cpu !== undefined) native.pinThread(spec.cpu);
  const core = createCore(spec.capacities);
  mapTables(core, spec);
  const { offload, timeoutsMs, pickSeed, sampleEvery } = spec;
  const adopted = core.start({
    ...{ offload, timeoutsMs, pickSeed, sampleEvery },
    nowMs: native.monotonicMs(),
  });
  core.words.setUint32(CONTROL_BASE + CONTROL_TRUNK_IFINDEX_OFF, spec.trunkIfindex, true);
  // In network order, the identifier in the first three bytes.
  core.words.setUint32(CONTROL_BASE + CONTROL_TUNNEL_PORT_OFF, 0, true);
  core.words.setUint16(CONTROL_BASE + CONTROL_TUNNEL_PORT_OFF, spec.tunnel?.port ?? 0, false);
  core.words.setUint32(CONTROL_BASE + CONTROL_TUNNEL_VNI_OFF, (spec.tunnel?.vni ?? 0) << 8, false);
  const failMode = spec.failMode === 'open' ? FailMode.OPEN : FailMode.CLOSED;
  core.words.setUint32(CONTROL_BASE + CONTROL_FAIL_MODE_OFF, failMode, true);
  const ports = openPorts(core, spec.ports);
  say({ type: 'ready', adopted, ports: ports.map((port) => port.description) });

  const mailed = new Int32Array(spec.mailCount);
  const mail = createMailbox(core, control, say);
  try {
    runLane({
      core,
      ports,
      wakeFd: spec.wakeFd,
      hasMail: () => mail.isBusy() || Atomics.load(mailed, 0) !== mail.read(),
      readMail: mail.step,
      flowSlots: Math.max(spec.capacities.flows4, spec.capacities.flows6),
    });
  } finally {
    for (const port of ports) port.close();
  }
  say({ type: 'stopped' });
}

try {
  main();
} catch (thrown) {
  parentPort?.postMessage({ type: 'failed', message: messageOf(thrown) } satisfies FromLane);
}
