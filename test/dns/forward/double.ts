/**
 * An upstream that does what a test says: UDP, TCP and TLS on one port of a loopback address.
 *
 * Queries are read and replies are made with dns-packet, so nothing of ours judges itself.
 */
import type { ExecutionContext } from 'ava';
import dnsPacket from 'dns-packet';
import type { Answer, DecodedPacket, Packet } from 'dns-packet';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createTcpServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TlsOptions } from 'node:tls';
import type { UpstreamSpec } from '../../../src/dns/forward/upstream.js';

export interface Query {
  readonly packet: DecodedPacket;
  /** As it came. */
  readonly bytes: Buffer;
  readonly transport: 'udp' | 'tcp' | 'tls';
  readonly sourcePort: number;
  /** Name and type of the question, lower case: `example.org A`. */
  readonly asked: string;
  /** Which connection; all UDP queries have 0. */
  readonly connection: number;
}

/** Send a message; may be called later, several times, or never. */
export type Send = (message: Uint8Array) => void;
export type Behave = (query: Query, send: Send, drop: () => void) => void;

export interface Double {
  readonly spec: UpstreamSpec;
  readonly port: number;
  readonly seen: Query[];
  connections(): number;
  behave: Behave;
  /** Send a datagram nobody asked this server for. */
  inject(message: Uint8Array, port: number): void;
  close(): Promise<void>;
}

/** A reply to a query: the question copied octet by octet. */
export function replyTo(query: Query, answers: Answer[] = [], more: Packet = {}): Buffer {
  const { id = 0, flags = 0, questions = [] } = query.packet;
  return dnsPacket.encode({
    type: 'response',
    id,
    flags: (flags & dnsPacket.RECURSION_DESIRED) | dnsPacket.RECURSION_AVAILABLE,
    questions,
    answers,
    ...more,
  });
}

/** A reply with one address for the name as it was asked. */
export function addressReply(query: Query, address = '192.0.2.1', more: Packet = {}): Buffer {
  const name = query.packet.questions?.[0]?.name ?? '.';
  return replyTo(query, [{ name, type: 'A', class: 'IN', ttl: 30, data: address }], more);
}

/** The same message with another rcode. */
export function withRcode(message: Buffer, rcode: number): Buffer {
  const changed = Buffer.from(message);
  changed.writeUInt8((changed.readUInt8(3) & 0xf0) | rcode, 3);
  return changed;
}

function framed(message: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

function queryOf(
  bytes: Buffer,
  transport: Query['transport'],
  sourcePort: number,
  connection: number,
): Query {
  const packet = dnsPacket.decode(bytes);
  const { name = '', type = '' } = packet.questions?.[0] ?? {};
  const asked = `${name.toLowerCase()} ${type}`;
  return { packet, bytes, transport, sourcePort, asked, connection };
}

/** UDP and TCP get the same port: the second is tried until it is free. */
async function listen(server: Server, host: string) {
  const udp = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  for (;;) {
    server.listen(0, host);
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    try {
      await new Promise<void>((done, fail) => {
        udp.once('error', fail);
        udp.bind(address.port, host, () => {
          udp.off('error', fail);
          done();
        });
      });
      return { udp, port: address.port };
    } catch {
      server.close();
      await once(server, 'close');
    }
  }
}

export interface DoubleOptions {
  readonly host?: string;
  /** Speak TLS on TCP, and be named `tls://`. */
  readonly tls?: TlsOptions;
  readonly servername?: string;
}

/** Closed when the test ends. Replies with 192.0.2.1 until told otherwise. */
export async function startDouble(
  t: ExecutionContext,
  behave: Behave = (query, send) => send(addressReply(query)),
  { host = '127.0.0.1', tls, servername }: DoubleOptions = {},
): Promise<Double> {
  const transport = tls === undefined ? 'tcp' : 'tls';
  const open = new Set<Socket>();
  let connectionCount = 0;
  let isClosed = false;
  const onConnection = (socket: Socket): void => {
    const connection = ++connectionCount;
    let held = Buffer.alloc(0);
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.on('data', (piece: Buffer) => {
      held = Buffer.concat([held, piece]);
      while (held.length >= 2 && held.length >= 2 + held.readUInt16BE()) {
        const end = 2 + held.readUInt16BE();
        const query = queryOf(held.subarray(2, end), transport, socket.remotePort ?? 0, connection);
        held = held.subarray(end);
        double.seen.push(query);
        double.behave(
          query,
          (message) => socket.write(framed(message)),
          () => socket.destroy(),
        );
      }
    });
  };
  const server =
    tls === undefined ? createTcpServer(onConnection) : createTlsServer(tls, onConnection);
  // A client that gives up the handshake is what some tests want.
  server.on('tlsClientError', () => undefined);
  const { udp, port } = await listen(server, host);
  udp.on('message', (bytes, from) => {
    const query = queryOf(bytes, 'udp', from.port, 0);
    double.seen.push(query);
    double.behave(
      query,
      // Who asked may be gone by the time a late reply is sent, and so may we.
      (message) => {
        if (!isClosed) udp.send(message, from.port, from.address, () => undefined);
      },
      () => undefined,
    );
  });
  const double: Double = {
    spec: {
      transport: tls === undefined ? 'dns' : 'tls',
      address: host,
      port,
      ...(servername === undefined ? {} : { servername }),
    },
    port,
    seen: [],
    connections: () => connectionCount,
    behave,
    inject: (message, to) => udp.send(message, to, host),
    close: async () => {
      if (isClosed) return;
      isClosed = true;
      udp.close();
      server.close();
      for (const socket of open) socket.destroy();
      await once(server, 'close');
    },
  };
  t.teardown(() => double.close());
  return double;
}
