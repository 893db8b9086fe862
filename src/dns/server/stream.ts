/**
 * A TCP or TLS listener: messages with two bytes of length before each (RFC 1035 4.2.2), several on
 * their way at a time and answered as they are ready (RFC 7766 6.2.1.1).
 */
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TlsOptions } from 'node:tls';
import { DNS_F_IPV6, DNS_F_TCP, DNS_HOST } from '../../../assembly/abi-dns.js';
import { parseAddress } from '../../addr.js';
import type { Address } from '../../addr.js';
import { noteClient } from '../../core/query-log.js';
import * as native from '../../native.js';
import * as sockets from '../../native-sockets.js';
import type { Client } from '../plugin.js';
import type { StreamTimeouts } from '../plugins/timeouts.js';
import { STREAM_SIZE } from './answerer.js';
import type { Answerer, AskHost } from './answerer.js';

export interface StreamListenerSpec {
  readonly listener: number;
  readonly address: Address;
  /** Of a link-local address. */
  readonly ifindex: number;
  readonly port: number;
  /** Others listen at the same address (SO_REUSEPORT): those that are about to take over. */
  readonly isShared: boolean;
  /** Certificate and key: DNS over TLS (RFC 7858). */
  readonly tls?: TlsOptions;
  readonly timeouts?: StreamTimeouts | undefined;
}

export interface StreamListener {
  readonly port: number;
  /** Take no more connections and end those that are idle; the others when they have been answered. */
  stop(): Promise<void>;
  /** End all of them now. */
  close(): void;
}

/** The first query has to come soon, further ones may be waited for (CoreDNS's figures). */
const FIRST_READ_MS = 3_000;
const IDLE_MS = 10_000;
/** Connections at a time. */
const CONNECTIONS_MAX = 1_024;
/** Queries of one connection that are not answered yet: more are not read. */
const OUTSTANDING_MAX = 128;
/** Bytes of replies a client may leave unread before no more of its queries are read. */
const UNREAD_MAX = 1 << 20;
const LENGTH_SIZE = 2;

/** An address as a socket has it, `::ffff:` and zone put aside. */
function addressOf(text: string | undefined): Address {
  const bare = (text ?? '::').replace(/%.*$/, '');
  return parseAddress(bare.startsWith('::ffff:') && bare.includes('.') ? bare.slice(7) : bare);
}

interface Connection {
  readonly socket: Socket;
  readonly client: Client;
  /** What has come of messages that are not whole. */
  parts: Buffer[];
  size: number;
  outstanding: number;
  isEnding: boolean;
}

function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(LENGTH_SIZE + message.length);
  framed.writeUInt16BE(message.length);
  framed.set(message, LENGTH_SIZE);
  return framed;
}

/**
 * Listen, and serve on this thread's event loop.
 *
 * @throws Error with code EADDRINUSE, EADDRNOTAVAIL, EACCES
 */
export async function listenStream(
  spec: StreamListenerSpec,
  core: Answerer,
  askHost: AskHost,
): Promise<StreamListener> {
  const { exports, view, space } = core;
  const connections = new Set<Connection>();

  const isBusy = ({ socket, outstanding }: Connection): boolean =>
    outstanding >= OUTSTANDING_MAX || socket.writableLength > UNREAD_MAX;

  const endIfDone = (connection: Connection): void => {
    if (connection.isEnding && connection.outstanding === 0) connection.socket.end();
  };

  const send = (connection: Connection, message: Uint8Array): void => {
    if (message.length > 0 && connection.socket.writable) connection.socket.write(frame(message));
  };

  const answer = (connection: Connection, message: Buffer): void => {
    const { client } = connection;
    const flags = DNS_F_TCP | (client.address.family === 6 ? DNS_F_IPV6 : 0);
    view.set(message, space.streamAt);
    const result = exports.dnsAnswer(
      spec.listener,
      space.streamAt,
      message.length,
      STREAM_SIZE - 1,
      flags,
      native.monotonicMs(),
    );
    core.meter?.count(message.length, result);
    if (result !== DNS_HOST) {
      noteClient(core, client.address.bytes);
      send(connection, view.subarray(space.streamAt, space.streamAt + Math.max(result, 0)));
      core.answered?.();
      return;
    }
    connection.outstanding++;
    void askHost(spec.listener, Uint8Array.from(message), client).then((reply) => {
      connection.outstanding--;
      send(connection, reply);
      endIfDone(connection);
      read(connection);
    });
  };

  /** Answer whole messages, as long as the client is not too far ahead. */
  const read = (connection: Connection): void => {
    const { socket } = connection;
    if (connection.size < LENGTH_SIZE || socket.destroyed) return;
    let bytes = connection.parts.length === 1 ? connection.parts[0] : undefined;
    bytes ??= Buffer.concat(connection.parts, connection.size);
    let at = 0;
    while (bytes.length - at >= LENGTH_SIZE && !isBusy(connection)) {
      const end = at + LENGTH_SIZE + bytes.readUInt16BE(at);
      if (end > bytes.length) break;
      answer(connection, bytes.subarray(at + LENGTH_SIZE, end));
      at = end;
    }
    connection.parts = at < bytes.length ? [bytes.subarray(at)] : [];
    connection.size = bytes.length - at;
    if (isBusy(connection)) socket.pause();
    else if (socket.isPaused()) socket.resume();
  };

  const accept = (socket: Socket): void => {
    if (connections.size >= CONNECTIONS_MAX) {
      socket.destroy();
      return;
    }
    const { localAddress, localPort = spec.port, remoteAddress, remotePort = 0 } = socket;
    const connection: Connection = {
      socket,
      client: {
        address: addressOf(remoteAddress),
        port: remotePort,
        transport: spec.tls ? 'tls' : 'tcp',
        server: { address: addressOf(localAddress), port: localPort },
      },
      parts: [],
      size: 0,
      outstanding: 0,
      isEnding: false,
    };
    connections.add(connection);
    socket.setNoDelay(true);
    socket.setTimeout(spec.timeouts?.readMs ?? FIRST_READ_MS, () => {
      if (connection.outstanding === 0) socket.destroy();
    });
    socket.once('data', () => socket.setTimeout(spec.timeouts?.idleMs ?? IDLE_MS));
    socket.on('data', (part: Buffer) => {
      connection.parts.push(part);
      connection.size += part.length;
      read(connection);
    });
    socket.on('drain', () => {
      read(connection);
    });
    // A client may close its side and still wait for answers.
    socket.on('end', () => {
      connection.isEnding = true;
      endIfDone(connection);
    });
    socket.on('error', () => {
      socket.destroy();
    });
    socket.on('close', () => {
      connections.delete(connection);
    });
  };

  const options = { allowHalfOpen: true };
  const server: Server = spec.tls
    ? createTlsServer({ ...spec.tls, ...options, ALPNProtocols: ['dot'] }, accept)
    : createServer(options, accept);
  // A handshake that fails is the client's affair.
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // An address may come later than its server, as by UDP.
    const { fd } = sockets.streamOpen({ ...spec, isFree: true });
    server.listen({ fd }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : spec.port,
    stop: () => {
      const closed = new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
      for (const connection of connections) {
        connection.isEnding = true;
        endIfDone(connection);
      }
      return closed;
    },
    close: () => {
      server.close();
      for (const { socket } of connections) socket.destroy();
    },
  };
}
