/**
 * Sockets of servers, as native.ts has the rest: UDP in batches (native/udp.cc), and TCP that Node
 * serves (native/socket-open.cc).
 */
import { addon } from './native-addon.js';
import type { Addon, UdpServeSpec, UdpServer, UdpSpec } from './native-addon.js';
import { OWN_NETNS } from './native.js';

/** A UDP socket that is bound. @returns its descriptor and port */
export function udpOpen(spec: UdpSpec): { readonly fd: number; readonly port: number } {
  return addon().udpOpen(...socketArgs(spec));
}

/** A TCP socket that listens, for Node's `listen({ fd })`. @returns its descriptor and port */
export function streamOpen(spec: Omit<UdpSpec, 'bufferBytes'>): {
  readonly fd: number;
  readonly port: number;
} {
  return addon().streamOpen(...socketArgs(spec));
}

function socketArgs(spec: UdpSpec): Parameters<Addon['udpOpen']> {
  const { address, port, isShared = false, isFree = false, bufferBytes = 0, ifindex = 0 } = spec;
  const { family, bytes } = address;
  const netnsFd = spec.netnsFd ?? OWN_NETNS;
  return [family, bytes, port, Number(isShared), Number(isFree), bufferBytes, netnsFd, ifindex];
}

/** Receive into slots of linear memory, have them answered there, send; as long as it is not stopped. */
export function udpServe(spec: UdpServeSpec): UdpServer {
  const { fd, view, slotsOff, slotSize, slots, descriptorsOff, listener, flags, serve } = spec;
  return addon().udpServe(
    fd,
    view,
    slotsOff,
    slotSize,
    slots,
    descriptorsOff,
    listener,
    flags,
    serve,
  );
}

/**
 * Serve what has come, and stop receiving; not from within `serve`. The descriptor stays open, for late
 * replies.
 */
export function udpStop(server: UdpServer): void {
  addon().udpStop(server);
}

/**
 * Who sent datagram `i` of the batch that is being served.
 *
 * @returns 40 bytes: address and the address it was sent to, 16 bytes each, IPv4-mapped, the second
 *          one zero where the socket has one address only; port, network order; u16 family; u32
 *          ifindex
 */
export function udpPeer(server: UdpServer, i: number): Uint8Array {
  return addon().udpPeer(server, i);
}

/** Replies the kernel did not take. */
export function udpUnsent(server: UdpServer): number {
  return addon().udpUnsent(server);
}

/** Send one datagram to who sent one. @returns false when the kernel does not take it */
export function udpSend(fd: number, message: Uint8Array, peer: Uint8Array): boolean {
  return addon().udpSend(fd, message, peer);
}
