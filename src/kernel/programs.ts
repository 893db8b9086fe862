/**
 * The kernel programs: load them against our maps, attach them by links that are pinned.
 *
 * Links lie in `<pinDir>/links`. A pinned link stays attached when the agent is gone; its
 * successor replaces the program in it, and no packet goes unseen in between.
 */
import { existsSync, readdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { release } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { makeFolder } from '../disk.js';
import { DataplaneError, codeOf, messageOf } from '../errors.js';
import {
  closeFd,
  embeddedObjects,
  type EmbeddedProgram,
  linkCreate,
  linkDetach,
  linkUpdate,
  objGet,
  objPin,
  OWN_NETNS,
  progLoad,
} from '../native.js';

/** What the sources in native/bpf say at their end; none of our helpers asks for more. */
const LICENSE = 'Apache-2.0';

// linux/bpf.h, linux/if_link.h
const BPF_PSEUDO_MAP_FD = 1;
const BPF_XDP = 37;
const BPF_TCX_INGRESS = 46;
const BPF_TCX_EGRESS = 47;
const XDP_FLAGS_SKB_MODE = 2;
const XDP_FLAGS_DRV_MODE = 4;
/** Layout of an instruction: op, destination and source register, i16 offset, i32 immediate. */
const INSN_SIZE = 8;
const INSN_REGS_OFF = 1;
const INSN_SRC_SHIFT = 4;
const INSN_IMM_OFF = 4;

/** Parent of the default pin directories. */
const SHARED_DIR = 'sluice';

export type ProgramName =
  | 'pod_ingress'
  | 'trunk_ingress'
  | 'trunk_egress'
  | 'uplink_ingress'
  | 'uplink_xdp'
  | 'lane_xdp'
  | 'host_egress'
  // For benchmarks.
  | 'gen_xdp'
  | 'count_xdp';

function findProgram(name: string): EmbeddedProgram {
  for (const { programs } of embeddedObjects()) {
    const program = programs.find((candidate) => candidate.name === name);
    if (program !== undefined) return program;
  }
  throw new DataplaneError('ERR_KERNEL', `the addon holds no kernel program ${name}`);
}

/**
 * Load a program.
 *
 * @param name    of the function in native/bpf
 * @param mapFds  descriptor of every map the program names: `{ ...maps.fds, xsks }`
 * @returns       its descriptor, the caller's to close
 * @throws        DataplaneError ERR_KERNEL with the verifier's last words
 */
export function loadProgram(
  name: ProgramName,
  mapFds: Readonly<Partial<Record<string, number>>>,
): number {
  const { type, insns, relocations } = findProgram(name);
  const words = new DataView(insns.buffer, insns.byteOffset, insns.byteLength);
  for (const { insn, map } of relocations) {
    const fd = mapFds[map];
    if (fd === undefined) {
      throw new DataplaneError(
        'ERR_KERNEL',
        `program ${name} wants map ${map}, which is not given`,
      );
    }
    const at = insn * INSN_SIZE;
    const regs = words.getUint8(at + INSN_REGS_OFF);
    words.setUint8(at + INSN_REGS_OFF, regs | (BPF_PSEUDO_MAP_FD << INSN_SRC_SHIFT));
    words.setInt32(at + INSN_IMM_OFF, fd, true);
  }
  try {
    return progLoad({ type, expectedAttachType: 0, name, insns, license: LICENSE });
  } catch (error) {
    throw new DataplaneError('ERR_KERNEL', `program ${name}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** A device and the name its link is pinned by, unique among links. */
export interface AttachTarget {
  readonly ifindex: number;
  readonly pinName: string;
  /** Namespace the device is in; absent: the caller's. */
  readonly netnsFd?: number;
}

/** A file name for a link: names with dots are reserved in a BPF file system. */
function linkPin(pinDir: string, pinName: string): string {
  return join(pinDir, 'links', pinName.replaceAll('%', '%25').replaceAll('.', '%2e'));
}

/** Put a program into a link that is already there. @returns false: no link, or one of no device */
function replaceInPinned(pin: string, progFd: number): boolean {
  if (!existsSync(pin)) return false;
  const linkFd = objGet(pin);
  try {
    linkUpdate(linkFd, progFd);
    return true;
  } catch {
    // Its device is gone, or it is no link that takes this program: a new one will do.
    unlinkSync(pin);
    return false;
  } finally {
    closeFd(linkFd);
  }
}

function pinLink(linkFd: number, pin: string): void {
  try {
    objPin(linkFd, pin);
  } finally {
    closeFd(linkFd);
  }
}

/**
 * Attach a TC program by a tcx link.
 *
 * @param progFd     of a TC program; needed no longer than this call
 * @param direction  seen from the device: ingress is what it receives
 * @returns          true when a pinned link was used again
 * @throws           DataplaneError ERR_KERNEL; the kernel needs tcx, Linux 6.6
 */
export function attachTc(
  pinDir: string,
  progFd: number,
  direction: 'ingress' | 'egress',
  target: AttachTarget,
): boolean {
  const { ifindex, pinName, netnsFd = OWN_NETNS } = target;
  const pin = linkPin(pinDir, pinName);
  const attachType = direction === 'ingress' ? BPF_TCX_INGRESS : BPF_TCX_EGRESS;
  try {
    if (replaceInPinned(pin, progFd)) return true;
    makeFolder(join(pinDir, 'links'), 0o700);
    pinLink(linkCreate(progFd, ifindex, attachType, 0, netnsFd), pin);
    return false;
  } catch (error) {
    const hint =
      codeOf(error) === 'EINVAL' ? `; tcx links need Linux 6.6, this is ${release()}` : '';
    throw new DataplaneError(
      'ERR_KERNEL',
      `TC ${direction} program of ${pinName} (ifindex ${ifindex}): ${messageOf(error)}${hint}`,
      { cause: error },
    );
  }
}

/** How an XDP program runs: by the driver, by the generic hook, or as the link found it. */
export interface XdpAttachment {
  readonly mode: 'native' | 'generic' | 'unchanged';
  /** Why not native, when generic. */
  readonly reason?: string;
}

/**
 * Attach an XDP program by a link, in the driver if it can, else generically.
 *
 * @throws DataplaneError ERR_KERNEL when neither is possible, e.g. another program is there
 */
export function attachXdp(pinDir: string, progFd: number, target: AttachTarget): XdpAttachment {
  const { ifindex, pinName, netnsFd = OWN_NETNS } = target;
  const pin = linkPin(pinDir, pinName);
  const attach = (flags: number): void => {
    pinLink(linkCreate(progFd, ifindex, BPF_XDP, flags, netnsFd), pin);
  };
  try {
    if (replaceInPinned(pin, progFd)) return { mode: 'unchanged' };
    makeFolder(join(pinDir, 'links'), 0o700);
    try {
      attach(XDP_FLAGS_DRV_MODE);
      return { mode: 'native' };
    } catch (error) {
      // Somebody else's program is there; the generic hook would only say so less clearly.
      if (codeOf(error) === 'EBUSY') throw error;
      attach(XDP_FLAGS_SKB_MODE);
      return { mode: 'generic', reason: messageOf(error) };
    }
  } catch (error) {
    throw new DataplaneError(
      'ERR_KERNEL',
      `XDP program of ${pinName} (ifindex ${ifindex}): ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** Take the program of one link off its device. @returns false when there is no such link */
export function detach(pinDir: string, pinName: string): boolean {
  const pin = linkPin(pinDir, pinName);
  if (!existsSync(pin)) return false;
  detachPin(pin);
  return true;
}

/** Pins of links whose devices are about to be deleted. */
const ASIDE = 'gone-';

/**
 * Free the name of a link whose device is about to be deleted. Its program stays until then: taking
 * it off would wait for the kernel, which waits for the same when it deletes the device.
 *
 * @param ifindex  of the device; keeps two links of one name apart
 */
export function setAside(pinDir: string, pinName: string, ifindex: number): void {
  const pin = linkPin(pinDir, pinName);
  if (existsSync(pin)) renameSync(pin, linkPin(pinDir, `${ASIDE}${ifindex}-${pinName}`));
}

/** Unpin what was set aside, once its devices are deleted. */
export function dropAside(pinDir: string): void {
  for (const pin of entriesOf(join(pinDir, 'links'))) {
    if (basename(pin).startsWith(ASIDE)) unlinkSync(pin);
  }
}

function detachPin(pin: string): void {
  const linkFd = objGet(pin);
  try {
    linkDetach(linkFd);
  } catch (error) {
    // The device is gone and the link with it.
    if (codeOf(error) !== 'ENOLINK') throw error;
  } finally {
    closeFd(linkFd);
  }
  unlinkSync(pin);
}

function entriesOf(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [];
}

/**
 * Detach every program and unpin every map: what `sluice cleanup` does.
 *
 * Established flows end. Nothing outside `pinDir` is touched.
 */
export function cleanup(pinDir: string): void {
  const links = join(pinDir, 'links');
  const maps = join(pinDir, 'maps');
  for (const pin of entriesOf(links)) detachPin(pin);
  for (const pin of entriesOf(maps)) unlinkSync(pin);
  for (const directory of [links, maps, pinDir]) {
    if (existsSync(directory)) rmdirSync(directory);
  }
  // What holds the pins of every agent of this machine goes with the last of them.
  const parent = dirname(pinDir);
  if (basename(parent) === SHARED_DIR && entriesOf(parent).length === 0) rmdirSync(parent);
}
