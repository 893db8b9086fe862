/**
 * Finding and loading build/native/sluice.node, and what it exports. Only `native.ts` calls it.
 */
import { createRequire } from 'node:module';
import { codeOf } from './errors.js';

/** Words 0..19: producer, consumer, flags, descriptors, size of rx, tx, fill, completion. */
export type RingWords = Uint32Array;

/** The entries of native/addon.cc. Meaning and units: the functions of `native.ts`. */
export interface Addon {
  openNetns(path: string): number;
  openInNetns(netnsFd: number, path: string, flags: number): number;
  closeFd(fd: number): void;
  eventfd(): number;
  tryLock(fd: number): boolean;
  unlock(fd: number): void;
  signal(fd: number): void;
  drain(fd: number): number;
  poll(fds: Int32Array, timeoutMs: number): number;
  monotonicMs(): number;
  pinThread(cpu: number): void;
  mountBpffs(path: string): void;
  isBpffs(path: string): boolean;
  unmount(path: string): void;
  mapFd(fd: number, view: Uint8Array, off: number, len: number): void;
  coverAnonymous(view: Uint8Array, off: number, len: number): void;
  netlinkOpen(protocol: number, netnsFd: number): number;
  netlinkRequest(fd: number, message: Uint8Array): Uint8Array;
  netlinkRequestAsync(fd: number, message: Uint8Array): Promise<Uint8Array>;
  ethtoolSet(netnsFd: number, ifname: string, command: number, value: number): void;
  ethtoolGet(netnsFd: number, ifname: string, command: number): number;
  driverName(netnsFd: number, ifname: string): string;
  embeddedObjects(): EmbeddedObject[];
  mapCreate(
    type: number,
    keySize: number,
    valueSize: number,
    maxEntries: number,
    flags: number,
    name: string,
  ): number;
  mapUpdate(fd: number, key: Uint8Array, value: Uint8Array, flags: number): void;
  mapLookup(fd: number, key: Uint8Array, valueSize: number): Uint8Array | undefined;
  mapDelete(fd: number, key: Uint8Array): boolean;
  mapNextKey(fd: number, key: Uint8Array | undefined, keySize: number): Uint8Array | undefined;
  mapInfo(fd: number): MapInfo;
  progLoad(
    type: number,
    expectedAttachType: number,
    name: string,
    insns: Uint8Array,
    license: string,
  ): number;
  objPin(fd: number, path: string): void;
  objGet(path: string): number;
  linkCreate(
    progFd: number,
    ifindex: number,
    attachType: number,
    flags: number,
    netnsFd: number,
  ): number;
  linkUpdate(linkFd: number, progFd: number): void;
  linkDetach(linkFd: number): void;
  progTestRun(
    progFd: number,
    dataIn: Uint8Array,
    ctxIn: Uint8Array | undefined,
    repeat: number,
    flags: number,
    batchSize: number,
    dataOutSize: number,
    netnsFd: number,
  ): TestRunResult;
  xskRingBytes(ringSize: number): number;
  xskOpen(
    view: Uint8Array,
    umemOff: number,
    umemLen: number,
    frameSize: number,
    ringOff: number,
    ringSize: number,
    ifindex: number,
    queue: number,
    netnsFd: number,
    shareFd: number,
    zeroCopy: number,
  ): { fd: number; zeroCopy: boolean; rings: RingWords };
  xskKick(fd: number): number;
  xskWakeRx(fd: number): number;
  xskSetTxBudget(fd: number, frames: number): boolean;
  xskBusyPoll(fd: number, microseconds: number, budget: number): void;
  xskStats(fd: number): XskStats;
  xskClose(fd: number, view: Uint8Array, ringOff: number, ringBytes: number): void;
  packetOpen(ifindex: number, netnsFd: number): number;
  packetPump(
    fd: number,
    view: Uint8Array,
    portOff: number,
    budget: number,
    layout: Uint32Array,
  ): number;
  packetStats(fd: number): PacketStats;
  udpOpen(
    family: number,
    address: Uint8Array,
    port: number,
    shared: number,
    free: number,
    bufferBytes: number,
    netnsFd: number,
    ifindex: number,
  ): { fd: number; port: number };
  streamOpen(
    family: number,
    address: Uint8Array,
    port: number,
    shared: number,
    free: number,
    bufferBytes: number,
    netnsFd: number,
    ifindex: number,
  ): { fd: number; port: number };
  udpServe(
    fd: number,
    view: Uint8Array,
    slotsOff: number,
    slotSize: number,
    slots: number,
    descriptorsOff: number,
    listener: number,
    flags: number,
    serve: (count: number) => void,
  ): UdpServer;
  udpStop(server: UdpServer): void;
  udpPeer(server: UdpServer, i: number): Uint8Array;
  udpUnsent(server: UdpServer): number;
  udpSend(fd: number, message: Uint8Array, peer: Uint8Array): boolean;
}

/** A socket that the event loop watches. */
export interface UdpServer {
  readonly __udpServer: never;
}

export interface UdpSpec {
  /** Interface of a link-local address. */
  readonly ifindex?: number;
  readonly address: { readonly family: 4 | 6; readonly bytes: Uint8Array };
  /** 0: any that is free. */
  readonly port: number;
  /** Others may be bound to the same address and port, and share its clients (SO_REUSEPORT). */
  readonly isShared?: boolean;
  /** The address may come later (IP_FREEBIND). */
  readonly isFree?: boolean;
  /** Of the receive buffer; default the system's. */
  readonly bufferBytes?: number;
  readonly netnsFd?: number;
}

export interface UdpServeSpec {
  readonly fd: number;
  readonly view: Uint8Array;
  /** Where the slots begin; each takes one datagram and its reply. */
  readonly slotsOff: number;
  readonly slotSize: number;
  /** At most 64. */
  readonly slots: number;
  /** Where BATCH_SIZE bytes a slot are (assembly/abi-dns.ts). */
  readonly descriptorsOff: number;
  readonly listener: number;
  readonly flags: number;
  /** Answers the first `count` descriptors. */
  readonly serve: (count: number) => void;
}

/** One compiled program of native/bpf. */
export interface EmbeddedProgram {
  readonly name: string;
  /** `enum bpf_prog_type` of linux/bpf.h. */
  readonly type: number;
  /** `enum bpf_attach_type` of linux/bpf.h. */
  readonly attachType: number;
  /** 8 bytes an instruction; a fresh copy, made to be patched. */
  readonly insns: Uint8Array;
  /** Instructions (by index) that want the descriptor of a map (by name). */
  readonly relocations: readonly { readonly insn: number; readonly map: string }[];
}

/** One source file of native/bpf: `pod`, `trunk`, `uplink`, ... */
export interface EmbeddedObject {
  readonly name: string;
  readonly programs: readonly EmbeddedProgram[];
}

export interface MapInfo {
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** The kernel's number for it, the same for every descriptor. */
  readonly id: number;
}

export interface MapSpec {
  /** `enum bpf_map_type`. */
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** The kernel keeps the first 15 characters. */
  readonly name: string;
}

export interface ProgramSpec {
  /** `enum bpf_prog_type`. */
  readonly type: number;
  /** `enum bpf_attach_type`. */
  readonly expectedAttachType: number;
  readonly name: string;
  /** Map descriptors already in place. */
  readonly insns: Uint8Array;
  /** Some kernel functions are for GPL-compatible programs only. Default `Dual BSD/GPL`. */
  readonly license?: string;
}

export interface TestRunSpec {
  /** The packet, from the Ethernet header on. */
  readonly dataIn: Uint8Array;
  /** struct xdp_md or __sk_buff: e.g. the ingress ifindex. */
  readonly ctxIn?: Uint8Array;
  readonly repeat?: number;
  /** 2 = BPF_F_TEST_XDP_LIVE_FRAMES: verdicts are carried out; there is no output. */
  readonly flags?: number;
  /** Live frames only. */
  readonly batchSize?: number;
  /** Default: the input and 256 bytes. */
  readonly dataOutSize?: number;
  /** Where ifindexes in `ctxIn` are looked up. */
  readonly netnsFd?: number;
}

export interface TestRunResult {
  readonly retval: number;
  readonly dataOut: Uint8Array;
  /** Mean of one repetition. */
  readonly durationNs: number;
}

export interface XskSpec {
  readonly view: Uint8Array;
  /** Where the frames begin; ring addresses are relative to it. Page aligned. */
  readonly umemOff: number;
  readonly umemLen: number;
  /** 2048 or 4096. */
  readonly frameSize: number;
  /** Page aligned; `xskRingBytes(ringSize)` bytes are taken. */
  readonly ringOff: number;
  /** Entries of each ring, a power of two. */
  readonly ringSize: number;
  readonly ifindex: number;
  readonly queue: number;
  readonly netnsFd?: number;
  /** Another socket of the same UMEM. */
  readonly shareFd?: number;
  /** `auto` tries zero-copy and falls back to copying. */
  readonly zeroCopy: 'auto' | 'never' | 'require';
  /** The port record that gets the ring addresses (assembly/abi.ts, PORT_*). */
  readonly portOff: number;
}

/** `ringBytes` is what `xskClose` wants back. */
export interface XskSocket {
  readonly fd: number;
  readonly zeroCopy: boolean;
  readonly ringBytes: number;
}

/** Counters of the kernel since the socket was made: struct xdp_statistics. */
export interface XskStats {
  readonly rxDropped: number;
  readonly rxInvalidDescs: number;
  readonly txInvalidDescs: number;
  readonly rxRingFull: number;
  readonly rxFillRingEmpty: number;
  readonly txRingEmpty: number;
}

/** Counters since the previous call: struct tpacket_stats. `packets` includes the drops. */
export interface PacketStats {
  readonly packets: number;
  readonly drops: number;
}

// From src/ (tsx) and from build/host/src/ (compiled).
const PLACES = ['../build/native/sluice.node', '../../native/sluice.node'];

let loaded: Addon | undefined;

/**
 * The addon, loaded on first use.
 *
 * @throws Error with code `ERR_NATIVE_MISSING` when it has not been built
 */
export function addon(): Addon {
  loaded ??= load();
  return loaded;
}

function load(): Addon {
  const require = createRequire(import.meta.url);
  for (const place of PLACES) {
    try {
      return require(place) as Addon;
    } catch (cause) {
      if (!isMissing(cause)) throw cause;
    }
  }
  const { platform } = process;
  const message =
    platform === 'linux'
      ? 'build/native/sluice.node is missing: run `npm run build` in the package root'
      : `the network of a node needs Linux, this is ${platform}`;
  throw Object.assign(new Error(message), { code: 'ERR_NATIVE_MISSING' });
}

function isMissing(cause: unknown): boolean {
  return codeOf(cause) === 'MODULE_NOT_FOUND';
}
