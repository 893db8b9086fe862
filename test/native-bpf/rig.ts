/**
 * The kernel programs on a bench: small maps of their own, rows written by hand, packets run
 * through by BPF_PROG_TEST_RUN. Needs root.
 *
 * The hash and the row are spelt out once more here, with big integers and byte offsets only.
 */
import {
  type Action,
  CONTROL_BYTES,
  CONTROL_F_OFFLOAD,
  CONTROL_FAIL_MODE_OFF,
  CONTROL_FLAGS_OFF,
  CONTROL_FLOWS4_MASK_OFF,
  CONTROL_FLOWS6_MASK_OFF,
  CONTROL_HASH_KEYS_OFF,
  CONTROL_HEARTBEAT_NS_OFF,
  CONTROL_STALE_MS_OFF,
  CONTROL_TRUNK_IFINDEX_OFF,
  CONTROL_TUNNEL_PORT_OFF,
  CONTROL_TUNNEL_VNI_OFF,
  COUNTER_KERNEL_BASE,
  COUNTERS_BYTES,
  FailMode,
  FLOW4_MTU_OFF,
  FLOW4_NEW_SRC_OFF,
  FLOW4_SIZE,
  FLOW4_SRC_OFF,
  FLOW6_MTU_OFF,
  FLOW6_NEW_SRC_OFF,
  FLOW6_SIZE,
  FLOW6_SRC_OFF,
  FLOW_ACTION_OFF,
  FLOW_ADDR_DELTA_OFF,
  FLOW_DST_MAC_OFF,
  FLOW_F_MACS,
  FLOW_F_NAT,
  FLOW_F_TRUNK,
  FLOW_FLAGS_OFF,
  FLOW_IN_IFINDEX_OFF,
  FLOW_NEW_PORTS_OFF,
  FLOW_OUT_IFINDEX_OFF,
  FLOW_PORT_DELTA_OFF,
  FLOW_PORTS_OFF,
  FLOW_PROTO_OFF,
  FLOW_SEQ_OFF,
  HASH_KEYS,
  type KernelCounter,
  TALLY_KERNEL_BYTES_OFF,
  TALLY_KERNEL_PACKETS_OFF,
  TALLY_KERNEL_SEEN_NS_OFF,
  TALLY_KERNEL_TCP_OFF,
  TALLY_SIZE,
} from '../../assembly/abi.js';
import { createDeviceMap, createXskMap } from '../../src/kernel/maps.js';
import { loadProgram, type ProgramName } from '../../src/kernel/programs.js';
import {
  closeFd,
  mapCreate,
  mapDelete,
  mapLookup,
  mapNextKey,
  mapUpdate,
  monotonicMs,
  progTestRun,
} from '../../src/native.js';
import { MAC_CLIENT, protoNumber, type Tuple } from './frames.js';

/** Few rows, so that runs of probes are easily made. */
export const RIG_ROWS = 128;
/** The link packets come by: a test run without a device is on the loopback. */
export const LOOPBACK = 1;
export const TRUNK = 77;
export const STALE_MS = 2000;

const NS_PER_MS = 1e6;
const OURS_KEY_SIZE = 24;
const IPPROTO_UDP = 17;
const MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);
// struct __sk_buff (linux/bpf.h)
const SKB_SIZE = 192;
const SKB_INGRESS_IFINDEX_OFF = 36;
const SKB_GSO_SIZE_OFF = 176;
const MASK64 = (1n << 64n) - 1n;
const U32 = 0xffffffffn;
/** Arbitrary odd words: secret in life, fixed in tests. */
const KEYS = Array.from({ length: HASH_KEYS }, (_, i) => (0x9e3779b1 * (2 * i + 1)) >>> 0);

/** What a row makes of a packet. Absent parts: unchanged. */
export interface Row {
  readonly from: Tuple;
  readonly to?: Tuple;
  readonly action: Action;
  readonly outIfindex?: number;
  readonly inIfindex?: number;
  readonly macs?: Uint8Array;
  /** FLOW_F_TRUNK: to the host, but by the trunk. */
  readonly byTrunk?: boolean;
  /** Longest IP packet; 0 when absent. */
  readonly mtu?: number;
  /** Even; the default is a valid one. */
  readonly seq?: number;
  /** Slots behind the one its hash names. */
  readonly displaced?: number;
}

export interface Tally {
  readonly packets: bigint;
  readonly bytes: bigint;
  readonly seenNs: bigint;
  /** FIN, SYN and RST of executed segments. */
  readonly tcp: number;
}

/** What a packet brings along beside its bytes (linux/bpf.h, __sk_buff). */
export interface SkbContext {
  readonly ingressIfindex?: number;
  /** Bytes of payload in each segment of a super-frame. */
  readonly gsoSize?: number;
}

export interface Verdict {
  readonly retval: number;
  readonly out: Buffer;
}

export interface Rig {
  /** Fields of CONTROL; absent ones keep a live lane with offload on and fail mode open. */
  control(fields: {
    readonly alive?: boolean;
    readonly failMode?: FailMode;
    readonly offload?: boolean;
    /** Ifindex of the trunk; TRUNK when absent. */
    readonly trunk?: number;
    /** UDP port of tunnels; none when absent. */
    readonly tunnelPort?: number;
    readonly vni?: number;
  }): void;
  /** @returns the row's index */
  putRow(row: Row): number;
  clear(): void;
  putLink(ifindex: number, addr4: Uint8Array, addr6: Uint8Array): void;
  removeLink(ifindex: number): void;
  putOurs(addr: Uint8Array, port: number, proto: number): void;
  /** Take tunnel packets from an address. */
  putTunnelPeer(addr: Uint8Array, port: number): void;
  /** Tunnel packets to an address are this host's. */
  putTunnelHere(addr: Uint8Array, port: number): void;
  tally(v6: boolean, idx: number): Tally;
  /** Growth of a counter since the last question about it. */
  counted(counter: KernelCounter): number;
  run(program: ProgramName, frame: Uint8Array, context?: SkbContext): Verdict;
  /** @returns nanoseconds per packet */
  time(program: ProgramName, frame: Uint8Array, repeat: number): number;
  close(): void;
}

function portsWord({ proto, sport, dport }: Tuple): number {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16BE(sport, 0);
  bytes.writeUInt16BE(proto === 'icmp' ? sport : dport, 2);
  return bytes.readUInt32LE(0);
}

/** The slot a tuple hashes to: NH over little-endian words, then one multiplication. */
export function hashSlot(tuple: Tuple, rows: number): number {
  const bytes = Buffer.concat([tuple.src, tuple.dst]);
  const words = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(i * 4));
  words.push(portsWord(tuple), protoNumber(tuple));
  let h = 0n;
  for (let i = 0; i < words.length; i += 2) {
    const left = (BigInt(words[i] ?? 0) + BigInt(KEYS[i] ?? 0)) & U32;
    const right = (BigInt(words[i + 1] ?? 0) + BigInt(KEYS[i + 1] ?? 0)) & U32;
    h = (h + left * right) & MASK64;
  }
  h ^= h >> 32n;
  h = (h * 0x9e3779b97f4a7c15n) & MASK64;
  h ^= h >> 29n;
  return Number((h >> 16n) & U32 & BigInt(rows - 1));
}

/** One's-complement sum of (new - old) over little-endian words. */
function delta(before: Uint8Array, after: Uint8Array): number {
  const was = Buffer.from(before);
  const is = Buffer.from(after);
  let sum = 0;
  for (let i = 0; i < was.length; i += 2)
    sum += is.readUInt16LE(i) + (~was.readUInt16LE(i) & 0xffff);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

function portBytes(tuple: Tuple): Buffer {
  const word = Buffer.alloc(4);
  word.writeUInt32LE(portsWord(tuple));
  return tuple.proto === 'icmp' ? word.subarray(0, 2) : word;
}

function rowImage(row: Row): Buffer {
  const { from, to = row.from, macs } = row;
  const image = Buffer.alloc(from.v6 ? FLOW6_SIZE : FLOW4_SIZE);
  image.writeUInt32LE(row.seq ?? 2, FLOW_SEQ_OFF);
  image.writeUInt32LE(portsWord(from), FLOW_PORTS_OFF);
  image.writeUInt8(protoNumber(from), FLOW_PROTO_OFF);
  image.writeUInt8(row.action, FLOW_ACTION_OFF);
  const translated = row.to === undefined ? 0 : FLOW_F_NAT;
  const resolved = macs === undefined ? 0 : FLOW_F_MACS;
  const byTrunk = row.byTrunk === true ? FLOW_F_TRUNK : 0;
  image.writeUInt8(translated | resolved | byTrunk, FLOW_FLAGS_OFF);
  image.writeUInt16LE(row.mtu ?? 0, from.v6 ? FLOW6_MTU_OFF : FLOW4_MTU_OFF);
  image.writeUInt32LE(row.inIfindex ?? LOOPBACK, FLOW_IN_IFINDEX_OFF);
  image.writeUInt32LE(row.outIfindex ?? LOOPBACK, FLOW_OUT_IFINDEX_OFF);
  image.writeUInt32LE(portsWord(to), FLOW_NEW_PORTS_OFF);
  if (macs !== undefined) image.set(macs, FLOW_DST_MAC_OFF);
  const addrs = Buffer.concat([from.src, from.dst]);
  const newAddrs = Buffer.concat([to.src, to.dst]);
  image.writeUInt16LE(delta(addrs, newAddrs), FLOW_ADDR_DELTA_OFF);
  image.writeUInt16LE(delta(portBytes(from), portBytes(to)), FLOW_PORT_DELTA_OFF);
  image.set(addrs, from.v6 ? FLOW6_SRC_OFF : FLOW4_SRC_OFF);
  image.set(newAddrs, from.v6 ? FLOW6_NEW_SRC_OFF : FLOW4_NEW_SRC_OFF);
  return image;
}

function contextImage({ ingressIfindex = 0, gsoSize = 0 }: SkbContext): Buffer {
  const image = Buffer.alloc(SKB_SIZE);
  image.writeUInt32LE(ingressIfindex, SKB_INGRESS_IFINDEX_OFF);
  image.writeUInt32LE(gsoSize, SKB_GSO_SIZE_OFF);
  return image;
}

function key32(value: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(value);
  return key;
}

/** Address, IPv4 as mapped; port, protocol, mark of tunnels, zeros. */
function oursKey(addr: Uint8Array, port: number, proto: number, mark: number): Buffer {
  const mapped = addr.length === 4 ? Buffer.concat([MAPPED_PREFIX, addr]) : addr;
  const tail = Buffer.alloc(8);
  tail.writeUInt16BE(port, 0);
  tail.set([proto, mark], 2);
  return Buffer.concat([mapped, tail]);
}

interface ControlFields {
  readonly alive: boolean;
  readonly failMode: FailMode;
  readonly offload: boolean;
  readonly trunk: number;
  readonly tunnelPort: number;
  readonly vni: number;
}

function controlImage(fields: ControlFields): Buffer {
  const { alive, failMode, offload, trunk, tunnelPort, vni } = fields;
  const page = Buffer.alloc(CONTROL_BYTES);
  const beatMs = alive ? monotonicMs() : monotonicMs() - 2 * STALE_MS;
  page.writeBigUInt64LE(BigInt(Math.floor(beatMs * NS_PER_MS)), CONTROL_HEARTBEAT_NS_OFF);
  // Alive means for as long as the test takes.
  page.writeUInt32LE(alive ? 3_600_000 : STALE_MS, CONTROL_STALE_MS_OFF);
  page.writeUInt32LE(failMode, CONTROL_FAIL_MODE_OFF);
  page.writeUInt32LE(offload ? CONTROL_F_OFFLOAD : 0, CONTROL_FLAGS_OFF);
  page.writeUInt32LE(trunk, CONTROL_TRUNK_IFINDEX_OFF);
  page.writeUInt16BE(tunnelPort, CONTROL_TUNNEL_PORT_OFF);
  page.writeUIntBE(vni, CONTROL_TUNNEL_VNI_OFF, 3);
  page.writeUInt32LE(RIG_ROWS - 1, CONTROL_FLOWS4_MASK_OFF);
  page.writeUInt32LE(RIG_ROWS - 1, CONTROL_FLOWS6_MASK_OFF);
  KEYS.forEach((key, i) => page.writeUInt32LE(key, CONTROL_HASH_KEYS_OFF + 4 * i));
  return page;
}

export function createMaps(): Record<string, number> {
  const array = (name: string, valueSize: number, maxEntries: number): number =>
    mapCreate({ type: 2, keySize: 4, valueSize, maxEntries, flags: 1024, name });
  const hash = (name: string, keySize: number, valueSize: number): number =>
    mapCreate({ type: 1, keySize, valueSize, maxEntries: 64, flags: 0, name });
  return {
    control: array('control', CONTROL_BYTES, 1),
    counters: array('counters', COUNTERS_BYTES, 1),
    flows4: array('flows4', FLOW4_SIZE, RIG_ROWS),
    tally4: array('tally4', TALLY_SIZE, RIG_ROWS),
    flows6: array('flows6', FLOW6_SIZE, RIG_ROWS),
    tally6: array('tally6', TALLY_SIZE, RIG_ROWS),
    links: hash('links', 4, 32),
    ours: hash('ours', 24, 4),
    xsks: createXskMap(1),
    device: createDeviceMap(),
  };
}

export function openRig(fds = createMaps()): Rig {
  const fd = (name: string): number => {
    const found = fds[name];
    if (found === undefined) throw new Error(`no map ${name}`);
    return found;
  };
  const programs = new Map<ProgramName, number>();
  const programFd = (name: ProgramName): number => {
    const loaded = programs.get(name) ?? loadProgram(name, fds);
    programs.set(name, loaded);
    return loaded;
  };
  const counts = new Map<KernelCounter, bigint>();
  const rig: Rig = {
    control(fields) {
      const usual = {
        ...{ alive: true, failMode: FailMode.OPEN, offload: true, trunk: TRUNK },
        ...{ tunnelPort: 0, vni: 0 },
      };
      mapUpdate(fd('control'), key32(0), controlImage({ ...usual, ...fields }));
    },
    putRow(row) {
      const slot = hashSlot(row.from, RIG_ROWS) + (row.displaced ?? 0);
      const idx = slot & (RIG_ROWS - 1);
      mapUpdate(fd(row.from.v6 ? 'flows6' : 'flows4'), key32(idx), rowImage(row));
      return idx;
    },
    clear() {
      for (let idx = 0; idx < RIG_ROWS; idx++) {
        mapUpdate(fd('flows4'), key32(idx), new Uint8Array(FLOW4_SIZE));
        mapUpdate(fd('flows6'), key32(idx), new Uint8Array(FLOW6_SIZE));
        mapUpdate(fd('tally4'), key32(idx), new Uint8Array(TALLY_SIZE));
        mapUpdate(fd('tally6'), key32(idx), new Uint8Array(TALLY_SIZE));
      }
      mapDelete(fd('links'), key32(LOOPBACK));
      for (let key; (key = mapNextKey(fd('ours'), undefined, OURS_KEY_SIZE)) !== undefined;) {
        mapDelete(fd('ours'), key);
      }
    },
    putLink(ifindex, addr4, addr6) {
      const value = Buffer.concat([addr4, key32(0), addr6, MAC_CLIENT, new Uint8Array(2)]);
      mapUpdate(fd('links'), key32(ifindex), value);
    },
    removeLink(ifindex) {
      mapDelete(fd('links'), key32(ifindex));
    },
    putOurs(addr, port, proto) {
      mapUpdate(fd('ours'), oursKey(addr, port, proto, 0), key32(1));
    },
    putTunnelPeer(addr, port) {
      mapUpdate(fd('ours'), oursKey(addr, port, IPPROTO_UDP, 1), key32(1));
    },
    putTunnelHere(addr, port) {
      mapUpdate(fd('ours'), oursKey(addr, port, IPPROTO_UDP, 2), key32(1));
    },
    tally(v6, idx) {
      const row = Buffer.from(
        mapLookup(fd(v6 ? 'tally6' : 'tally4'), key32(idx), TALLY_SIZE) ?? [],
      );
      return {
        packets: row.readBigUInt64LE(TALLY_KERNEL_PACKETS_OFF),
        bytes: row.readBigUInt64LE(TALLY_KERNEL_BYTES_OFF),
        seenNs: row.readBigUInt64LE(TALLY_KERNEL_SEEN_NS_OFF),
        tcp: row.readUInt8(TALLY_KERNEL_TCP_OFF),
      };
    },
    counted(counter) {
      const page = Buffer.from(mapLookup(fd('counters'), key32(0), COUNTERS_BYTES) ?? []);
      const now = page.readBigUInt64LE((COUNTER_KERNEL_BASE + counter) * 8);
      const before = counts.get(counter) ?? 0n;
      counts.set(counter, now);
      return Number(now - before);
    },
    run(program, frame, context) {
      const ctxIn = context === undefined ? {} : { ctxIn: contextImage(context) };
      const { retval, dataOut } = progTestRun(programFd(program), { dataIn: frame, ...ctxIn });
      return { retval, out: Buffer.from(dataOut) };
    },
    time(program, frame, repeat) {
      return progTestRun(programFd(program), { dataIn: frame, repeat }).durationNs;
    },
    close() {
      for (const loaded of programs.values()) closeFd(loaded);
      for (const map of Object.values(fds)) closeFd(map);
    },
  };
  rig.control({});
  return rig;
}
