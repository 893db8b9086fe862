/**
 * The maps that the kernel programs and the lane share: created or found again under their pins.
 *
 * Pins lie in `<pinDir>/maps`. They are what survives the agent: its successor maps the same
 * pages and goes on with the same flows, if layout and sizes are still what it expects.
 */
import { existsSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import {
  CONTROL_BYTES,
  CONTROL_LAYOUT_OFF,
  CONTROL_MAGIC,
  CONTROL_MAGIC_OFF,
  COUNTERS_BYTES,
  FLOW4_SIZE,
  FLOW6_SIZE,
  TALLY_SIZE,
} from '../../assembly/abi.js';
import { makeFolder } from '../disk.js';
import { DataplaneError, messageOf } from '../errors.js';
import {
  closeFd,
  mapCreate,
  mapInfo,
  mapLookup,
  type MapSpec,
  mapUpdate,
  objGet,
  objPin,
} from '../native.js';

// linux/bpf.h
const BPF_MAP_TYPE_HASH = 1;
const BPF_MAP_TYPE_ARRAY = 2;
const BPF_MAP_TYPE_XSKMAP = 17;
const BPF_F_MMAPABLE = 1024;

const U32_SIZE = 4;
/** `links` in native/bpf/maps.h: address4, flags, address6, MAC address. */
const LINKS_VALUE_SIZE = 32;
/** `ours` in native/bpf/maps.h: address, port, protocol, zeros. */
const OURS_KEY_SIZE = 24;

/** Rows of every map, and what CONTROL must say for a pinned one to be used again. */
export interface MapCapacities {
  /** Rows of flows4 and tally4, a power of two. */
  readonly flows4: number;
  /** Rows of flows6 and tally6, a power of two. */
  readonly flows6: number;
  readonly links: number;
  readonly ours: number;
  /** u32 that the core stores at CONTROL_LAYOUT_OFF: a hash of the ABI and the capacities. */
  readonly layout: number;
}

export type MapName =
  'control' | 'counters' | 'flows4' | 'tally4' | 'flows6' | 'tally6' | 'links' | 'ours';

export interface Maps {
  readonly pinDir: string;
  /** Descriptors; `closeMaps` closes them. */
  readonly fds: Readonly<Record<MapName, number>>;
  /** The flow table of an earlier agent was found and fits. */
  readonly adopted: boolean;
  /** What was found and could not be used, one sentence each. */
  readonly warnings: readonly string[];
}

/** These hold one state between them: all are found again or none is. */
const STATE_MAPS: readonly MapName[] = [
  'control',
  'counters',
  'flows4',
  'tally4',
  'flows6',
  'tally6',
];
const STEERING_MAPS: readonly MapName[] = ['links', 'ours'];

function array(name: string, valueSize: number, maxEntries: number): MapSpec {
  const type = BPF_MAP_TYPE_ARRAY;
  return { type, keySize: U32_SIZE, valueSize, maxEntries, flags: BPF_F_MMAPABLE, name };
}

function hash(name: string, keySize: number, valueSize: number, maxEntries: number): MapSpec {
  return { type: BPF_MAP_TYPE_HASH, keySize, valueSize, maxEntries, flags: 0, name };
}

function specsOf(caps: MapCapacities): Record<MapName, MapSpec> {
  return {
    control: array('control', CONTROL_BYTES, 1),
    counters: array('counters', COUNTERS_BYTES, 1),
    flows4: array('flows4', FLOW4_SIZE, caps.flows4),
    tally4: array('tally4', TALLY_SIZE, caps.flows4),
    flows6: array('flows6', FLOW6_SIZE, caps.flows6),
    tally6: array('tally6', TALLY_SIZE, caps.flows6),
    links: hash('links', U32_SIZE, LINKS_VALUE_SIZE, caps.links),
    ours: hash('ours', OURS_KEY_SIZE, U32_SIZE, caps.ours),
  };
}

export function mapPin(pinDir: string, name: MapName): string {
  return join(pinDir, 'maps', name);
}

/** Why a pinned map is not the one we want; undefined when it is. */
function misfit(fd: number, spec: MapSpec): string | undefined {
  const found = mapInfo(fd);
  for (const field of ['type', 'keySize', 'valueSize', 'maxEntries', 'flags'] as const) {
    if (found[field] !== spec[field]) {
      return `map ${spec.name} has ${field} ${found[field]}, expected ${spec[field]}`;
    }
  }
  return undefined;
}

function layoutMisfit(controlFd: number, layout: number): string | undefined {
  const page = mapLookup(controlFd, new Uint8Array(U32_SIZE), CONTROL_BYTES);
  if (page === undefined) return 'map control is empty';
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  if (view.getUint32(CONTROL_MAGIC_OFF, true) !== CONTROL_MAGIC) return 'no lane ever used them';
  const found = view.getUint32(CONTROL_LAYOUT_OFF, true);
  const expected = layout >>> 0;
  if (found === expected) return undefined;
  return `their layout is ${found.toString(16)}, expected ${expected.toString(16)}`;
}

interface Found {
  readonly fds: Map<MapName, number>;
  /** Why they cannot be used; undefined when they can, or when nothing was there. */
  readonly misfit: string | undefined;
}

/** Open the pins of a group; all of them fit or all are closed again. */
function findPinned(
  pinDir: string,
  names: readonly MapName[],
  specs: Record<MapName, MapSpec>,
  layout: number | undefined,
): Found {
  const present = names.filter((name) => existsSync(mapPin(pinDir, name)));
  const fds = new Map<MapName, number>();
  if (present.length === 0) return { fds, misfit: undefined };
  let reason = present.length < names.length ? 'some of them are missing' : undefined;
  try {
    for (const name of present) fds.set(name, objGet(mapPin(pinDir, name)));
    for (const [name, fd] of fds) reason ??= misfit(fd, specs[name]);
    const control = fds.get('control');
    if (reason === undefined && control !== undefined && layout !== undefined) {
      reason = layoutMisfit(control, layout);
    }
  } catch (error) {
    reason = messageOf(error);
  }
  if (reason === undefined) return { fds, misfit: undefined };
  for (const fd of fds.values()) closeFd(fd);
  return { fds: new Map(), misfit: reason };
}

/** A new map under its pin; one that was there keeps living while a program uses it. */
function createPinned(pin: string, spec: MapSpec): number {
  const fd = mapCreate(spec);
  try {
    if (existsSync(pin)) unlinkSync(pin);
    objPin(fd, pin);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return fd;
}

function requirePowerOfTwo(key: string, rows: number): void {
  if (Number.isInteger(rows) && rows > 0 && (rows & (rows - 1)) === 0) return;
  throw new DataplaneError('ERR_KERNEL', `${key} is ${rows}, expected a power of two`);
}

/**
 * Find the pinned maps again or create them.
 *
 * @param pinDir  a directory in a BPF file system; created when absent
 * @returns       with a warning for every group of maps that was there and did not fit; the
 *                programs attached so far keep the old ones until they are replaced
 * @throws        DataplaneError ERR_KERNEL when the kernel refuses a map or a pin
 */
export function openMaps(pinDir: string, caps: MapCapacities): Maps {
  requirePowerOfTwo('flows4', caps.flows4);
  requirePowerOfTwo('flows6', caps.flows6);
  const specs = specsOf(caps);
  const fds = new Map<MapName, number>();
  const warnings: string[] = [];
  let adopted = false;
  try {
    makeFolder(join(pinDir, 'maps'), 0o700);
    for (const group of [STATE_MAPS, STEERING_MAPS]) {
      const found = findPinned(pinDir, group, specs, caps.layout);
      for (const [name, fd] of found.fds) fds.set(name, fd);
      if (group === STATE_MAPS) adopted = found.fds.size > 0;
      if (found.misfit !== undefined) {
        const names = group.join(', ');
        warnings.push(`pinned maps ${names} under ${pinDir} are replaced: ${found.misfit}`);
      }
      for (const name of group.filter((each) => !fds.has(each))) {
        fds.set(name, createPinned(mapPin(pinDir, name), specs[name]));
      }
    }
  } catch (error) {
    for (const fd of fds.values()) closeFd(fd);
    throw new DataplaneError('ERR_KERNEL', `maps under ${pinDir}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return { pinDir, fds: Object.fromEntries(fds) as Record<MapName, number>, adopted, warnings };
}

/** Close the descriptors; pins and attached programs keep the maps alive. */
export function closeMaps(maps: Maps): void {
  for (const fd of Object.values(maps.fds)) closeFd(fd);
}

/**
 * The socket map of one device: every trunk and uplink has its own.
 *
 * Not pinned: sockets die with the agent, and its successor replaces the program.
 *
 * @param queues  receive queues of the device
 * @returns       a descriptor; the loaded program keeps the map alive too
 */
export function createXskMap(queues: number): number {
  return mapCreate({
    type: BPF_MAP_TYPE_XSKMAP,
    keySize: U32_SIZE,
    valueSize: U32_SIZE,
    maxEntries: queues,
    flags: 0,
    name: 'xsks',
  });
}

/** Of DEVICE_VALUE_SIZE in native/bpf/maps.h. */
const DEVICE_VALUE_SIZE = 8;

/**
 * What the XDP program of one uplink knows of its device. Not pinned, as the socket map.
 *
 * @param mac  of the device: frames for others are the host's; absent: every frame is taken
 * @returns    a descriptor; the loaded program keeps the map alive too
 */
export function createDeviceMap(mac?: Uint8Array): number {
  const fd = mapCreate({
    type: BPF_MAP_TYPE_ARRAY,
    keySize: U32_SIZE,
    valueSize: DEVICE_VALUE_SIZE,
    maxEntries: 1,
    flags: 0,
    name: 'device',
  });
  const value = new Uint8Array(DEVICE_VALUE_SIZE);
  if (mac) value.set(mac);
  mapUpdate(fd, new Uint8Array(U32_SIZE), value);
  return fd;
}
