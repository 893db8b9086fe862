/** Queries over sockets of Node's, made and read by dns-packet. */
import dnsPacket from 'dns-packet';
import type { DecodedPacket, Packet, RecordType } from 'dns-packet';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** Time enough on a busy machine; a test of silence gives its own. */
const PATIENCE_MS = 15_000;
const ID_MAX = 0xffff;

let nextId = 1;

export function query(name: string, type: RecordType = 'A', more: Packet = {}): Buffer {
  nextId = (nextId % ID_MAX) + 1;
  return dnsPacket.encode({
    type: 'query',
    id: nextId,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ type, name }],
    ...more,
  });
}

export interface Where {
  readonly port: number;
  readonly host?: string;
  readonly waitMs?: number;
}

/** The reply as it comes; undefined: none came. */
export function sendUdp(
  message: Uint8Array,
  { port, host = '127.0.0.1', waitMs = PATIENCE_MS }: Where,
): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const timer = setTimeout(() => done(undefined), waitMs);
    const done = (reply: Buffer | undefined): void => {
      clearTimeout(timer);
      socket.close();
      resolve(reply);
    };
    socket.once('message', done);
    socket.once('error', () => done(undefined));
    // Connected: a port that nobody listens on is heard of.
    socket.connect(port, host, () => {
      socket.send(message, () => undefined);
    });
  });
}

/** What comes over a connection after these bytes, until there are so many messages. */
export function sendTcp(
  bytes: Uint8Array,
  count: number,
  { port, host = '127.0.0.1', waitMs = PATIENCE_MS }: Where,
  open: (port: number, host: string) => Socket = (p, h) => connect(p, h),
): Promise<Buffer[]> {
  return new Promise((resolve) => {
    const socket = open(port, host);
    const timer = setTimeout(() => done(), waitMs);
    const messages: Buffer[] = [];
    let held = Buffer.alloc(0);
    const done = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(messages);
    };
    socket.on('error', done);
    socket.on('close', done);
    socket.on('data', (part: Buffer) => {
      held = Buffer.concat([held, part]);
      while (held.length >= 2 && held.length >= 2 + held.readUInt16BE()) {
        const end = 2 + held.readUInt16BE();
        messages.push(held.subarray(2, end));
        held = held.subarray(end);
      }
      if (messages.length >= count) done();
    });
    socket.write(bytes);
  });
}

export function framed(...messages: Uint8Array[]): Buffer {
  return Buffer.concat(
    messages.map((message) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(message.length);
      return Buffer.concat([length, message]);
    }),
  );
}

export interface Told {
  readonly rcode: string;
  /** `A 10.0.0.1`, in order. */
  readonly answers: readonly string[];
  readonly packet: DecodedPacket;
}

function textOf(answer: dnsPacket.Answer): string {
  const data = 'data' in answer ? answer.data : undefined;
  if (typeof data === 'string') return `${answer.type} ${data}`;
  return `${answer.type} ${JSON.stringify(data)}`;
}

/** Ask by UDP; `silence` as rcode when nobody answers. */
export async function ask(where: Where, name: string, type: RecordType = 'A'): Promise<Told> {
  const reply = await sendUdp(query(name, type), where);
  if (reply === undefined)
    return { rcode: 'silence', answers: [], packet: { type: 'response' } as never };
  const packet = dnsPacket.decode(reply);
  const { rcode } = packet as unknown as { rcode: string };
  return { rcode, answers: (packet.answers ?? []).map(textOf), packet };
}

/** Ask until the answer is one. */
export async function askUntil(
  where: Where,
  name: string,
  isRight: (told: Told) => boolean,
  type: RecordType = 'A',
): Promise<Told> {
  const endMs = Date.now() + PATIENCE_MS;
  for (;;) {
    const told = await ask({ waitMs: 1_000, ...where }, name, type);
    if (isRight(told) || Date.now() > endMs) return told;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** No service of any cluster here. */
const MISSING = 'none.missing.svc.cluster.local';

/** Ask until the cluster is known completely: what it may still have is SERVFAIL before, not denied. */
export const askUntilComplete = (where: Where): Promise<Told> =>
  askUntil(where, MISSING, ({ rcode }) => rcode === 'NXDOMAIN');
