/**
 * Queries over UDP.
 *
 * Every query has a socket of its own, connected to its upstream and closed when the reply is there:
 * the port is drawn anew by the kernel (28 000 of them with Linux' defaults), the kernel lets through
 * only what comes from the upstream's address and port, and a refusal by ICMP reaches the query it
 * belongs to. Together with a random id a forger has to hit one in about 2^30.
 *
 * Spec  RFC 5452 4.5, 9.1, 9.2; RFC 8085 5.1.1 (connected sockets)
 */
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { isIPv4 } from 'node:net';
import { HEADER_SIZE, ID_OFF, readU16, writeU16 } from '../wire/header.js';
import { failureOf, setDeadline } from './attempt.js';
import type { Attempt, Link, LinkTarget } from './attempt.js';
import type { ForwardHooks } from './options.js';
import { randomId } from './random.js';

/** Sockets open at once to one upstream: about 1 kB of ours and 4 kB of the kernel's each. */
const SOCKETS_MAX = 4096;

type LookupDone = (error: null, address: string, family: 4 | 6) => void;

/** Addresses are literal: nothing is looked up, and nothing waits for a thread. */
function literalLookup(address: string, _options: unknown, done: LookupDone): void {
  done(null, address, isIPv4(address) ? 4 : 6);
}

/** A query on its way. */
interface Asked {
  readonly socket: Socket;
  readonly settle: (attempt: Attempt) => void;
}

export function createUdpLink({ name, spec }: LinkTarget, hooks: ForwardHooks): Link {
  const asked = new Set<Asked>();
  const type = isIPv4(spec.address) ? 'udp4' : 'udp6';

  let isClosed = false;

  const ask = (query: Uint8Array, timeoutMs: number): Promise<Attempt> => {
    if (isClosed) return Promise.resolve({ failure: 'stopped' });
    if (asked.size >= SOCKETS_MAX) return Promise.resolve({ failure: 'overflow' });
    hooks.onConnection?.({ upstream: name, transport: 'udp', isReused: false });
    return new Promise((resolve) => {
      const packet = new Uint8Array(query);
      const id = randomId();
      writeU16(packet, ID_OFF, id);
      const socket = createSocket({ type, lookup: literalLookup });
      const settle = (attempt: Attempt): void => {
        if (!asked.delete(own)) return;
        clearTimeout(timer);
        socket.close();
        resolve(attempt);
      };
      const own: Asked = { socket, settle };
      const timer = setDeadline(() => {
        settle({ failure: 'timeout' });
      }, timeoutMs);
      asked.add(own);
      // A refusal comes as an error of the socket, at once when the port is closed.
      socket.on('error', (error) => {
        settle({ failure: failureOf(error) });
      });
      // Other ids are late replies to an earlier owner of the port, or guesses: reading goes on.
      socket.on('message', (datagram) => {
        if (datagram.length < HEADER_SIZE || readU16(datagram, ID_OFF) !== id) return;
        settle({ reply: datagram });
      });
      socket.on('connect', () => {
        if (asked.has(own)) socket.send(packet);
      });
      socket.connect(spec.port, spec.address);
    });
  };

  return {
    transport: 'udp',
    ask,
    pending: () => asked.size,
    connections: () => 0,
    close: () => {
      isClosed = true;
      for (const { settle } of [...asked]) settle({ failure: 'stopped' });
    },
  };
}
