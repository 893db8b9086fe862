/**
 * Source ports that masqueraded flows must not get, because a socket of the host has them: what the
 * host receives at such a port would else be taken for an answer to a pod.
 *
 * Two things keep them apart. The range is reserved, so that the kernel gives none of it to a socket
 * that does not ask for a certain port; and sockets that did ask are looked up, the kernel's own
 * (VXLAN) among them.
 *
 * Spec: Documentation/networking/ip-sysctl.rst, ip_local_reserved_ports; man 5 proc, /proc/net/tcp
 */
import { closeSync, readSync } from 'node:fs';
import {
  SNAT_PORT_END,
  SNAT_PORT_FIRST,
  TAKEN_PORTS_BYTES,
  TAKEN_PORTS_SHIFT,
} from '../../assembly/abi.js';
import { openInNetns } from '../native.js';
import type { Netns } from './netns.js';
import type { Sysctl } from './sysctl.js';
import { isErrno } from '../errors.js';

const RESERVED = 'net/ipv4/ip_local_reserved_ports';
const PORTS = 65536;
const CHUNK = 65536;
/** In the state folder: the list of reserved ports as it was before Sluice's were added. */
export const RESERVED_PORTS_FILE = 'reserved-ports';

/** `  sl  local_address rem_address   st`: address, port and state of a socket. */
const SOCKET = /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) /;
const TCP_LISTEN = '0A';
/** ` ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS` */
const SCTP_ENDPOINT = /^\s*[0-9a-f]+(?:\s+\S+){4}\s+(\d+)\s/;

/** The lines of a file under /proc/net, as far as somebody wants them. */
function* linesOf(net: Netns, name: string): Generator<string> {
  const fd = open(net, `/proc/thread-self/net/${name}`);
  if (fd === undefined) return;
  try {
    const chunk = Buffer.alloc(CHUNK);
    let rest = '';
    for (let size = readSync(fd, chunk); size > 0; size = readSync(fd, chunk)) {
      const lines = (rest + chunk.toString('latin1', 0, size)).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } finally {
    closeSync(fd);
  }
}

/** @returns undefined where the kernel does not speak the protocol */
function open(net: Netns, path: string): number | undefined {
  try {
    return openInNetns(net.fd, path, 0);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Ports of sockets that wait for others to begin. */
const BOUND = {
  *TCP(net: Netns): Generator<number> {
    for (const name of ['tcp', 'tcp6']) {
      for (const line of linesOf(net, name)) {
        const [, port, state] = SOCKET.exec(line) ?? [];
        // Those that listen come first; of the others there may be very many.
        if (state !== undefined && state !== TCP_LISTEN) break;
        if (port !== undefined) yield Number.parseInt(port, 16);
      }
    }
  },
  *UDP(net: Netns): Generator<number> {
    for (const name of ['udp', 'udp6', 'udplite', 'udplite6']) {
      for (const line of linesOf(net, name)) {
        const [, port] = SOCKET.exec(line) ?? [];
        if (port !== undefined) yield Number.parseInt(port, 16);
      }
    }
  },
  *SCTP(net: Netns): Generator<number> {
    for (const line of linesOf(net, 'sctp/eps')) {
      const [, port] = SCTP_ENDPOINT.exec(line) ?? [];
      if (port !== undefined) yield Number(port);
    }
  },
} as const;

/** Whether a socket of the host waits at a port, at whatever address. */
export function isBound(net: Netns, protocol: keyof typeof BOUND, port: number): boolean {
  for (const bound of BOUND[protocol](net)) if (bound === port) return true;
  return false;
}

function* boundPorts(net: Netns): Generator<number> {
  for (const bound of Object.values(BOUND)) yield* bound(net);
}

/** TAKEN_PORTS_BYTES: a bit for each group of ports of the range of which a socket has one. */
export function takenPorts(net: Netns): Uint8Array {
  const bits = new Uint8Array(TAKEN_PORTS_BYTES);
  for (const port of boundPorts(net)) {
    if (port < SNAT_PORT_FIRST || port >= SNAT_PORT_END) continue;
    const group = port >> TAKEN_PORTS_SHIFT;
    bits[group >> 3] = (bits[group >> 3] ?? 0) | (1 << (group & 7));
  }
  return bits;
}

/** `8080,9000-9010` as one number a port, 1 where it is named. */
function parsePorts(text: string): Uint8Array {
  const ports = new Uint8Array(PORTS);
  for (const part of text.split(',')) {
    const [first = NaN, last = first] = part
      .split('-')
      .map((digits) => Number.parseInt(digits, 10));
    if (first <= last) ports.fill(1, first, last + 1);
  }
  return ports;
}

function formatPorts(ports: Uint8Array): string {
  const parts: string[] = [];
  for (let first = ports.indexOf(1); first >= 0;) {
    const end = ports.indexOf(0, first);
    const last = (end < 0 ? PORTS : end) - 1;
    parts.push(first === last ? String(first) : `${first}-${last}`);
    first = end < 0 ? -1 : ports.indexOf(1, end);
  }
  return parts.join(',');
}

const OURS = [SNAT_PORT_FIRST, SNAT_PORT_END] as const;

/**
 * Have the kernel keep the range from sockets that take any port.
 *
 * @returns the list as it was, for `releasePorts`; undefined when the range was in it already
 */
export function reservePorts(sysctl: Sysctl): string | undefined {
  const before = sysctl.read(RESERVED) ?? '';
  const ports = parsePorts(before).fill(1, ...OURS);
  const wanted = formatPorts(ports);
  if (wanted === before) return undefined;
  sysctl.write(RESERVED, wanted);
  return before;
}

/**
 * Take the range out of the list again, but for what was in it before.
 *
 * @param before  as `reservePorts` gave it; undefined when that is not known any more
 */
export function releasePorts(sysctl: Sysctl, before: string | undefined): boolean {
  const now = sysctl.read(RESERVED) ?? '';
  const ports = parsePorts(now).fill(0, ...OURS);
  const known = parsePorts(before ?? '');
  known.subarray(...OURS).forEach((is, i) => {
    if (is === 1) ports[SNAT_PORT_FIRST + i] = 1;
  });
  const wanted = formatPorts(ports);
  if (wanted === now) return false;
  sysctl.write(RESERVED, wanted);
  return true;
}
