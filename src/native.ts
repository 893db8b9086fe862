/**
 * The system calls of the data plane, typed. What each one does is in native/<interface>.cc.
 *
 * - A descriptor is a plain number. Who receives one owns it: `closeFd` (`xskClose` for AF_XDP
 *   sockets) is called exactly once, nothing closes it by itself.
 * - A `view` is a Uint8Array over the whole of a WebAssembly memory that neither grows nor is
 *   shared; offsets into it are linear addresses.
 * - `netnsFd` comes from `openNetns`; -1, the default, is the caller's own namespace.
 * - A failed call throws Node's shape, `{ code: 'EBUSY', errno, syscall, message }`; an argument
 *   out of range throws a RangeError before anything is touched.
 */
import { PORT_SIZE } from '../assembly/abi.js';
import { addon } from './native-addon.js';
import type {
  EmbeddedObject,
  MapInfo,
  MapSpec,
  PacketStats,
  ProgramSpec,
  TestRunResult,
  TestRunSpec,
  XskSocket,
  XskSpec,
  XskStats,
} from './native-addon.js';
import { PACKET_LAYOUT, writeRings, ZERO_COPY } from './native-layout.js';

export type {
  EmbeddedObject,
  EmbeddedProgram,
  MapInfo,
  MapSpec,
  PacketStats,
  ProgramSpec,
  TestRunResult,
  TestRunSpec,
  XskSocket,
  XskSpec,
  XskStats,
} from './native-addon.js';

const BPF_F_TEST_XDP_LIVE_FRAMES = 2;
/** A test-run program may prepend headers (tunnels): room for them. */
const TEST_RUN_GROWTH = 256;

/** The caller's own network namespace. */
export const OWN_NETNS = -1;

// ---- Descriptors, waiting, threads (native/sys.cc, netns.cc) --------------------------

/** Open a network namespace, e.g. `/var/run/netns/pod-a`; EINVAL when it is something else. */
export function openNetns(path: string): number {
  return addon().openNetns(path);
}

/**
 * Open a file that exists, as seen from within a namespace: /proc/sys shows the opener's.
 *
 * @param flags  O_RDONLY 0, O_WRONLY 1, O_RDWR 2
 * @returns      a descriptor for `node:fs`
 */
export function openInNetns(netnsFd: number, path: string, flags: number): number {
  return addon().openInNetns(netnsFd, path, flags);
}

/** Close a descriptor that one of these functions returned. */
export function closeFd(fd: number): void {
  addon().closeFd(fd);
}

/** A counter that wakes `poll`: the control thread signals, the lane drains. eventfd(2) */
export function eventfd(): number {
  return addon().eventfd();
}

/**
 * Lock an open file, without waiting. The lock belongs to the open file: it ends with `unlock`, with
 * its last descriptor and with the process. flock(2)
 *
 * @returns false when another open file has it, be it of this process or of another one
 */
export function tryLock(fd: number): boolean {
  return addon().tryLock(fd);
}

/** Give back what `tryLock` took. */
export function unlock(fd: number): void {
  addon().unlock(fd);
}

/** Wake whoever polls the eventfd. Never blocks. */
export function signal(fd: number): void {
  addon().signal(fd);
}

/** Reset the eventfd. @returns signals since the last time, 0 when none */
export function drain(fd: number): number {
  return addon().drain(fd);
}

/**
 * Block the calling thread until a descriptor is readable, fails or hangs up.
 *
 * @param fds        at most 32; negative ones are skipped
 * @param timeoutMs  fractions count; 0 looks and returns, negative waits for ever
 * @returns          bit i set = fds[i]; 0 after the timeout or a signal
 */
export function poll(fds: Int32Array, timeoutMs: number): number {
  return addon().poll(fds, timeoutMs);
}

/** CLOCK_MONOTONIC in milliseconds with its fraction: the clock of bpf_ktime_get_ns. */
export function monotonicMs(): number {
  return addon().monotonicMs();
}

/** Keep the calling thread on one processor. sched_setaffinity(2) */
export function pinThread(cpu: number): void {
  addon().pinThread(cpu);
}

/** Mount a BPF file system on an existing directory. */
export function mountBpffs(path: string): void {
  addon().mountBpffs(path);
}

/** Whether pins can be made there; false when the path does not exist. */
export function isBpffs(path: string): boolean {
  return addon().isBpffs(path);
}

/** Unmount a file system. umount2(2) */
export function unmount(path: string): void {
  addon().unmount(path);
}

/**
 * Let the descriptor's pages (a BPF_F_MMAPABLE array map) take the place of a part of memory.
 *
 * @param off  multiple of the page size
 * @param len  whole pages; at most what the map has, rounded up to pages
 */
export function mapFd(fd: number, view: Uint8Array, off: number, len: number): void {
  addon().mapFd(fd, view, off, len);
}

/** Put zeroed pages of our own in the place of a mapping, or of anything else. */
export function coverAnonymous(view: Uint8Array, off: number, len: number): void {
  addon().coverAnonymous(view, off, len);
}

// ---- Netlink and ethtool (native/netlink.cc, ethtool.cc) ------------------------------

/** A netlink socket, e.g. protocol 0 = NETLINK_ROUTE; extended acknowledgements are on. */
export function netlinkOpen(protocol: number, netnsFd = OWN_NETNS): number {
  return addon().netlinkOpen(protocol, netnsFd);
}

/**
 * One request, dump or batch, and its whole answer.
 *
 * @param message  complete nlmsghdr messages; one that changes something needs NLM_F_ACK
 * @returns        every byte of the answer, NLMSG_DONE or NLMSG_ERROR (acknowledgements too)
 *                 included: a refusal is an answer, not an exception
 * @throws         ETIMEDOUT when nothing comes for 10 s
 */
export function netlinkRequest(fd: number, message: Uint8Array): Uint8Array {
  return addon().netlinkRequest(fd, message);
}

/**
 * As `netlinkRequest`, on a thread of the pool: for what keeps the kernel busy for long. Nobody else
 * may use the descriptor, nor close it, until it is done.
 */
export function netlinkRequestAsync(fd: number, message: Uint8Array): Promise<Uint8Array> {
  return addon().netlinkRequestAsync(fd, message);
}

/** Set a feature, `command` = ETHTOOL_S* of linux/ethtool.h with a struct ethtool_value. */
export function ethtoolSet(netnsFd: number, ifname: string, command: number, value: number): void {
  addon().ethtoolSet(netnsFd, ifname, command, value);
}

/** Read a feature, `command` = ETHTOOL_G* with a struct ethtool_value. */
export function ethtoolGet(netnsFd: number, ifname: string, command: number): number {
  return addon().ethtoolGet(netnsFd, ifname, command);
}

/** Name of the device's driver: `veth`, `ixgbe`. */
export function driverName(netnsFd: number, ifname: string): string {
  return addon().driverName(netnsFd, ifname);
}

// ---- BPF (native/bpf.cc, embedded.cc): numbers as in linux/bpf.h ----------------------

/** The kernel programs that travel inside the addon; empty when it was built without. */
export function embeddedObjects(): readonly EmbeddedObject[] {
  return addon().embeddedObjects();
}

/** Create a map. @returns its descriptor */
export function mapCreate(spec: MapSpec): number {
  const { type, keySize, valueSize, maxEntries, flags, name } = spec;
  return addon().mapCreate(type, keySize, valueSize, maxEntries, flags, name);
}

/** Store an element; `flags`: 0 any, 1 BPF_NOEXIST, 2 BPF_EXIST. Lengths must be the map's. */
export function mapUpdate(fd: number, key: Uint8Array, value: Uint8Array, flags = 0): void {
  addon().mapUpdate(fd, key, value, flags);
}

/** A copy of an element; undefined when there is none. */
export function mapLookup(fd: number, key: Uint8Array, valueSize: number): Uint8Array | undefined {
  return addon().mapLookup(fd, key, valueSize);
}

/** Remove an element. @returns false when there was none */
export function mapDelete(fd: number, key: Uint8Array): boolean {
  return addon().mapDelete(fd, key);
}

/** The key after `key`, the first one for undefined; undefined after the last. */
export function mapNextKey(
  fd: number,
  key: Uint8Array | undefined,
  keySize: number,
): Uint8Array | undefined {
  return addon().mapNextKey(fd, key, keySize);
}

/** The shape of a map: is a pinned one the one we want? */
export function mapInfo(fd: number): MapInfo {
  return addon().mapInfo(fd);
}

/** Load a program. The message of a refusal ends with the last lines of the verifier's log. */
export function progLoad(spec: ProgramSpec): number {
  const { type, expectedAttachType, name, insns, license = 'Dual BSD/GPL' } = spec;
  return addon().progLoad(type, expectedAttachType, name, insns, license);
}

/** Give a map, program or link a name in a BPF file system. It then outlives its descriptors. */
export function objPin(fd: number, path: string): void {
  addon().objPin(fd, path);
}

/** Open what is pinned there; ENOENT when nothing is. Unpinning is unlink(2): `node:fs`. */
export function objGet(path: string): number {
  return addon().objGet(path);
}

/**
 * Attach a program to a device (XDP, tcx). It is detached when the link's last descriptor and
 * its pin are gone, or the device is.
 *
 * @param flags  XDP: XDP_FLAGS_DRV_MODE (4), XDP_FLAGS_SKB_MODE (2) or 0 for either
 */
// eslint-disable-next-line max-params -- the fields of BPF_LINK_CREATE, bpf(2)
export function linkCreate(
  progFd: number,
  ifindex: number,
  attachType: number,
  flags = 0,
  netnsFd = OWN_NETNS,
): number {
  return addon().linkCreate(progFd, ifindex, attachType, flags, netnsFd);
}

/** Replace the program of a link; no packet goes unseen. ENOLINK when its device is gone. */
export function linkUpdate(linkFd: number, progFd: number): void {
  addon().linkUpdate(linkFd, progFd);
}

/** Take the program off the device now, whoever else holds the link. */
export function linkDetach(linkFd: number): void {
  addon().linkDetach(linkFd);
}

/** Run a program on a made-up packet; BPF_PROG_TEST_RUN. Blocks until all repeats are done. */
export function progTestRun(progFd: number, spec: TestRunSpec): TestRunResult {
  const { dataIn, ctxIn, repeat = 1, flags = 0, batchSize = 0 } = spec;
  const live = (flags & BPF_F_TEST_XDP_LIVE_FRAMES) !== 0;
  const dataOutSize = spec.dataOutSize ?? (live ? 0 : dataIn.length + TEST_RUN_GROWTH);
  const netnsFd = spec.netnsFd ?? OWN_NETNS;
  return addon().progTestRun(progFd, dataIn, ctxIn, repeat, flags, batchSize, dataOutSize, netnsFd);
}

// ---- AF_XDP (native/xsk.cc) -----------------------------------------------------------

/** Bytes of memory the four rings of `ringSize` entries take: whole pages, every machine. */
export function xskRingBytes(ringSize: number): number {
  return addon().xskRingBytes(ringSize);
}

/**
 * Open an AF_XDP socket on a queue; its rings appear in memory from `ringOff` on and their
 * addresses are written into the port record.
 *
 * With `shareFd` the socket uses the UMEM of that one, and its copy or zero-copy mode too. Where
 * devices differ in that, open each without it: the kernel then registers the same frames twice,
 * which costs locked-page accounting and nothing else.
 *
 * @throws  EBUSY when the queue is taken, EOPNOTSUPP or EINVAL when zero-copy is required and
 *          the driver has none
 */
export function xskOpen(spec: XskSpec): XskSocket {
  const { view, umemOff, umemLen, frameSize, ringOff, ringSize, ifindex, queue, portOff } = spec;
  if (!Number.isInteger(portOff) || portOff < 0 || portOff > view.length - PORT_SIZE) {
    throw new RangeError(`portOff = ${String(portOff)} is no place for a port record`);
  }
  const { fd, zeroCopy, rings } = addon().xskOpen(
    view,
    umemOff,
    umemLen,
    frameSize,
    ringOff,
    ringSize,
    ifindex,
    queue,
    spec.netnsFd ?? OWN_NETNS,
    spec.shareFd ?? -1,
    ZERO_COPY[spec.zeroCopy],
  );
  writeRings(view, portOff, rings);
  return { fd, zeroCopy, ringBytes: xskRingBytes(ringSize) };
}

/** Have the kernel transmit the tx ring. @returns 0 or -EAGAIN, -EBUSY, -ENOBUFS, -ENETDOWN */
export function xskKick(fd: number): number {
  return addon().xskKick(fd);
}

/** Have the driver look at the fill ring again. @returns as `xskKick` */
export function xskWakeRx(fd: number): number {
  return addon().xskWakeRx(fd);
}

/**
 * Frames one kick may send in copy mode, 32 unless told.
 *
 * @param frames  32 to the size of the tx ring; EACCES otherwise (net/xdp/xsk.c)
 * @returns       false where the kernel has no such option
 */
export function xskSetTxBudget(fd: number, frames: number): boolean {
  return addon().xskSetTxBudget(fd, frames);
}

/** Busy polling by the caller's own system calls; 0 microseconds turns it off. socket(7) */
export function xskBusyPoll(fd: number, microseconds: number, budget: number): void {
  addon().xskBusyPoll(fd, microseconds, budget);
}

/** What the kernel counted on this socket. */
export function xskStats(fd: number): XskStats {
  return addon().xskStats(fd);
}

/** Put anonymous pages over the rings, then close: memory stays readable throughout. */
export function xskClose(fd: number, view: Uint8Array, ringOff: number, ringBytes: number): void {
  addon().xskClose(fd, view, ringOff, ringBytes);
}

// ---- AF_PACKET (native/packet.cc) -----------------------------------------------------

/** A raw, non-blocking packet socket on a device, with virtio headers; incoming frames only. */
export function packetOpen(ifindex: number, netnsFd = OWN_NETNS): number {
  return addon().packetOpen(ifindex, netnsFd);
}

/**
 * Play the kernel's part on the four rings of a port record: send what is in tx and complete it,
 * receive into the frames of fill. Frames are those of the UMEM region in the DIRECTORY; ring
 * addresses are relative to its base, as with AF_XDP. Received Ethernet headers lie at frame +
 * FRAME_HEADROOM; the virtio_net_hdr lies directly before every Ethernet header.
 *
 * A frame that the device refuses is lost and completed. A received one that did not fit has its
 * real length in its descriptor, which is then more than the frame holds.
 *
 * @param budget  frames per direction, 1 to 32767
 * @returns       received | completed << 16
 * @throws        RangeError when a ring names what is not a frame; ENXIO when the device is gone
 */
export function packetPump(fd: number, view: Uint8Array, portOff: number, budget: number): number {
  return addon().packetPump(fd, view, portOff, budget, PACKET_LAYOUT);
}

/** Frames the socket received, and those its buffer had no room for, since the last call. */
export function packetStats(fd: number): PacketStats {
  return addon().packetStats(fd);
}
