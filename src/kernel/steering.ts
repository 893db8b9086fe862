/**
 * The two maps that tell the kernel programs what to send up: who may speak on a pod link, and what
 * an uplink hands over. Written by differences, from what this object wrote and what it found.
 */
import { LINK_F_SHAPED } from '../../assembly/abi.js';
import { mapDelete, mapNextKey, mapUpdate } from '../native.js';
import type { Maps } from './maps.js';

/** `links` in native/bpf/maps.h: IPv4 address, flags, IPv6 address, MAC address. */
const LINKS_VALUE_SIZE = 32;
const LINKS_FLAGS_OFF = 4;
const LINKS_ADDR6_OFF = 8;
const LINKS_MAC_OFF = 24;
const IPV4_IN_MAPPED_OFF = 12;
const U32_SIZE = 4;
const OURS_KEY_SIZE = 24;

/** Addresses a link may speak with; of IP 16 bytes each, IPv4 in mapped form. */
export interface Speaker {
  readonly ifindex: number;
  readonly ipv4: Uint8Array | undefined;
  readonly ipv6: Uint8Array | undefined;
  readonly mac: Uint8Array;
  /** What goes there has to pass a queueing discipline. */
  readonly isShaped?: boolean;
}

export interface Steering {
  setSpeakers(speakers: readonly Speaker[]): void;
  setOurs(keys: Iterable<Uint8Array>): void;
  /** What has come and gone since then. @throws when the map is full: set them all again then */
  changeOurs(change: OursChange): void;
}

/** Keys of `ours`. */
export interface OursChange {
  readonly added: readonly Uint8Array[];
  readonly removed: readonly Uint8Array[];
}

export function createSteering(maps: Maps): Steering {
  const links = createMirror(maps.fds.links, U32_SIZE);
  const ours = createMirror(maps.fds.ours, OURS_KEY_SIZE);
  return {
    setSpeakers: (speakers) => {
      links.set(speakers.map((speaker) => [u32(speaker.ifindex), speakerValue(speaker)]));
    },
    setOurs: (keys) => {
      ours.set([...keys].map((key) => [key, u32(1)]));
    },
    changeOurs: ({ added, removed }) => {
      for (const key of added) ours.put(key, u32(1));
      for (const key of removed) ours.drop(key);
    },
  };
}

function speakerValue({ ipv4, ipv6, mac, isShaped }: Speaker): Uint8Array {
  const value = new Uint8Array(LINKS_VALUE_SIZE);
  if (ipv4) value.set(ipv4.subarray(IPV4_IN_MAPPED_OFF));
  if (isShaped === true) value[LINKS_FLAGS_OFF] = LINK_F_SHAPED;
  if (ipv6) value.set(ipv6, LINKS_ADDR6_OFF);
  value.set(mac, LINKS_MAC_OFF);
  return value;
}

function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

interface Mirror {
  set(wanted: readonly (readonly [Uint8Array, Uint8Array])[]): void;
  put(key: Uint8Array, value: Uint8Array): void;
  drop(key: Uint8Array): void;
}

/** What is in a map, known without asking twice: only this process writes it. */
function createMirror(fd: number, keySize: number): Mirror {
  const present = new Map<string, string>();
  for (let key = mapNextKey(fd, undefined, keySize); key; key = mapNextKey(fd, key, keySize)) {
    present.set(hex(key), '');
  }
  const put = (key: Uint8Array, value: Uint8Array): void => {
    if (present.get(hex(key)) === hex(value)) return;
    mapUpdate(fd, key, value);
    present.set(hex(key), hex(value));
  };
  const drop = (key: Uint8Array): void => {
    if (present.delete(hex(key))) mapDelete(fd, key);
  };
  return {
    put,
    drop,
    set: (wanted) => {
      const names = new Set(wanted.map(([key]) => hex(key)));
      // What is to stay is written before what is to go is deleted.
      for (const [key, value] of wanted) put(key, value);
      for (const name of [...present.keys()]) {
        if (!names.has(name)) drop(new Uint8Array(Buffer.from(name, 'hex')));
      }
    },
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
