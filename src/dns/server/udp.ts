/**
 * A UDP listener: batches are received into linear memory, answered there by the core and sent from
 * there. What the core leaves to the host is copied out and answered later.
 */
import { BATCH_RESULT_OFF, BATCH_SIZE, DNS_F_IPV6, DNS_HOST } from '../../../assembly/abi-dns.js';
import { ADDR_SIZE } from '../../addr.js';
import type { Address, Family } from '../../addr.js';
import { logWritten, noteBatch } from '../../core/query-log.js';
import * as native from '../../native.js';
import * as sockets from '../../native-sockets.js';
import type { Client } from '../plugin.js';
import type { Answerer, AskHost } from './answerer.js';
import type { Bound } from './messages.js';

export interface UdpListenerSpec {
  readonly listener: number;
  readonly address: Address;
  /** Of a link-local address. */
  readonly ifindex: number;
  /** 0: any that is free. */
  readonly port: number;
  /** Several threads listen (SO_REUSEPORT). */
  readonly isShared: boolean;
}

export interface UdpListener {
  readonly port: number;
  readonly fd: number;
  /** Replies the kernel did not take. */
  unsent(): number;
  /**
   * No more queries; replies that are on their way can still be sent.
   *
   * @param successor  another socket at this address: it sends them, and gets all queries from now on,
   *                   because this one is closed
   */
  stop(successor: number | undefined): void;
  /** Afterwards they cannot. */
  close(): void;
}

/** Of the socket: a burst of some thousand queries while something else is being done. */
const RECEIVE_BUFFER = 4 << 20;
const PEER_LOCAL_OFF = 16;
const PEER_PORT_OFF = 32;
const PEER_FAMILY_OFF = 34;

/** The descriptor of who is at an address. */
export function udpAt(
  bound: readonly Bound[],
  { host, port }: { readonly host: string; readonly port: number },
): number | undefined {
  return bound.find((each) => each.transport === 'udp' && each.host === host && each.port === port)
    ?.fd;
}

/** Who sent a datagram, from what `sockets.udpPeer` says. */
function clientOf(peer: Uint8Array, own: { address: Address; port: number }): Client {
  const view = new DataView(peer.buffer, peer.byteOffset, peer.byteLength);
  const family = view.getUint16(PEER_FAMILY_OFF, true) as Family;
  const local = peer.subarray(PEER_LOCAL_OFF, PEER_LOCAL_OFF + ADDR_SIZE);
  const isKnown = local.some((byte) => byte !== 0);
  return {
    address: { family, bytes: peer.subarray(0, ADDR_SIZE) },
    port: view.getUint16(PEER_PORT_OFF),
    transport: 'udp',
    server: { address: isKnown ? { family, bytes: local } : own.address, port: own.port },
  };
}

/**
 * Open the socket and serve it on this thread's event loop.
 *
 * @throws Error with code EADDRINUSE, EADDRNOTAVAIL, EACCES
 */
export function listenUdp(spec: UdpListenerSpec, core: Answerer, askHost: AskHost): UdpListener {
  const { exports, view, words, space } = core;
  const { address, listener } = spec;
  const { fd, port } = sockets.udpOpen({ ...spec, isFree: true, bufferBytes: RECEIVE_BUFFER });
  const results = new Int32Array(view.buffer, space.descriptorsAt, (space.slots * BATCH_SIZE) / 4);
  const own = { address, port };
  let isOpen = true;
  let sender: number | undefined = fd;

  const send = (message: Uint8Array, peer: Uint8Array): void => {
    if (sender === undefined || message.length === 0) return;
    try {
      sockets.udpSend(sender, message, peer);
    } catch {
      // A successor that has ended as well: the client will ask again.
      sender = undefined;
    }
  };
  const closeFd = (): void => {
    if (isOpen) native.closeFd(fd);
    isOpen = false;
  };
  const leave = (i: number): void => {
    const at = space.descriptorsAt + i * BATCH_SIZE;
    const ptr = words.getUint32(at, true);
    const message = view.slice(ptr, ptr + words.getUint32(at + 4, true));
    const peer = sockets.udpPeer(server, i);
    void askHost(listener, message, clientOf(peer, own)).then((reply) => {
      send(reply, peer);
    });
  };
  const senderOf = (i: number): Uint8Array => sockets.udpPeer(server, i).subarray(0, ADDR_SIZE);
  const server = sockets.udpServe({
    fd,
    view,
    slotsOff: space.slotsAt,
    slotSize: space.slotSize,
    slots: space.slots,
    descriptorsOff: space.descriptorsAt,
    listener,
    flags: address.family === 6 ? DNS_F_IPV6 : 0,
    serve: (count) => {
      const logged = logWritten(core);
      exports.dnsBatch(space.descriptorsAt, count, native.monotonicMs());
      noteBatch(core, logged, senderOf);
      for (let i = 0, at = BATCH_RESULT_OFF / 4; i < count; i++, at += BATCH_SIZE / 4) {
        if (results[at] === DNS_HOST) leave(i);
      }
      core.answered?.();
    },
  });
  return {
    port,
    fd,
    unsent: () => sockets.udpUnsent(server),
    stop: (successor) => {
      sockets.udpStop(server);
      // Nobody reads from it any more, and the kernel would go on giving it its share of the queries.
      if (successor === undefined) return;
      sender = successor;
      closeFd();
    },
    close: () => {
      sockets.udpStop(server);
      sender = undefined;
      closeFd();
    },
  };
}
