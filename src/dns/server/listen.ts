/** The sockets of a program's listeners. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { TlsOptions } from 'node:tls';
import { formatAddress, parseAddress } from '../../addr.js';
import { DataplaneError, isErrno, messageOf } from '../../errors.js';
import { ANY_HOSTS, openPort } from '../chain/listeners.js';
import type { DefaultBind } from '../chain/listeners.js';
import type { ProgramListener } from '../chain/program.js';
import type { TlsFiles } from '../plugins/tls.js';
import type { Answerer, AskHost } from './answerer.js';
import type { Bound } from './messages.js';
import { listenStream } from './stream.js';
import type { StreamListener } from './stream.js';
import { listenUdp, udpAt } from './udp.js';
import type { UdpListener } from './udp.js';

export interface Listening {
  readonly bound: readonly Bound[];
  /** Replies that the kernel did not take. */
  unsent(): number;
  /**
   * Take no more queries; settles when connections are done.
   *
   * @param successors  sockets that replies may leave by
   */
  stop(successors: readonly Bound[]): Promise<void>;
  close(): void;
}

export interface ListenOptions {
  /** Instead of those of the Corefile. */
  readonly ports: DefaultBind['ports'];
  readonly isShared: boolean;
  /** TCP and TLS as well. */
  readonly hasStreams: boolean;
}

/** Ports that the kernel may choose before none is to be had. */
const CHOSEN_TRIES = 8;

/** `tls CERT KEY [CA]` of the listener's blocks. @throws DataplaneError ERR_CONFIG */
function tlsOptionsOf({ cert, key, ca }: TlsFiles): TlsOptions {
  const read = (file: string): Buffer => {
    try {
      return readFileSync(file);
    } catch (error) {
      throw new DataplaneError('ERR_CONFIG', `tls: ${messageOf(error)}`, { cause: error });
    }
  };
  return {
    cert: read(cert),
    key: read(key),
    minVersion: 'TLSv1.2',
    ...(ca === undefined ? {} : { ca: read(ca), requestCert: true }),
  };
}

/** Of the zone of a link-local address (RFC 4007 11): the name of an interface, or its index. */
function ifindexOf(zone: string | undefined): number {
  if (zone === undefined) return 0;
  const own = networkInterfaces()[zone] ?? [];
  return own.find(({ scopeid }) => scopeid !== undefined && scopeid > 0)?.scopeid ?? Number(zone);
}

/** A family that the host does not have is no failure of who listens everywhere. */
function isMissingFamily(error: unknown): boolean {
  return isErrno(error, 'EAFNOSUPPORT') || isErrno(error, 'EADDRNOTAVAIL');
}

/**
 * Open all sockets.
 *
 * @throws DataplaneError ERR_CONFIG, or the system's error; what was opened before is closed
 */
export async function listenAll(
  listeners: readonly ProgramListener[],
  core: Answerer,
  ask: AskHost,
  options: ListenOptions,
): Promise<Listening> {
  const { ports } = options;
  const isChosen = listeners.some(({ port }) => openPort(ports, port) === 0);
  for (let tries = 1; ; tries++) {
    try {
      return await listenOnce(listeners, core, ask, options);
    } catch (error) {
      // What the kernel has chosen for UDP may be somebody else's over TCP.
      if (!isChosen || tries === CHOSEN_TRIES || !isErrno(error, 'EADDRINUSE')) throw error;
    }
  }
}

async function listenOnce(
  listeners: readonly ProgramListener[],
  core: Answerer,
  ask: AskHost,
  options: ListenOptions,
): Promise<Listening> {
  const bound: Bound[] = [];
  const udps: UdpListener[] = [];
  const streams: StreamListener[] = [];
  const close = (): void => {
    for (const each of [...udps, ...streams]) each.close();
  };

  const openOne = async (listener: ProgramListener, host: string, port: number): Promise<void> => {
    const { scheme, id, timeouts } = listener;
    const [text = '', zone] = host.split('%');
    const address = parseAddress(text);
    const at = { listener: id, address, isShared: options.isShared, ifindex: ifindexOf(zone) };
    const suffix = zone === undefined ? '' : `%${zone}`;
    const where = {
      listener: id,
      scheme,
      host: formatAddress(address) + suffix,
      namedPort: listener.port,
    };
    let chosen = port;
    if (scheme === 'dns') {
      const udp = listenUdp({ ...at, port }, core, ask);
      udps.push(udp);
      chosen = udp.port;
      bound.push({ ...where, port: chosen, transport: 'udp', fd: udp.fd });
    }
    if (!options.hasStreams) return;
    const transport = scheme === 'dns' ? 'tcp' : 'tls';
    const files = transport === 'tls' ? listener.tls : undefined;
    const tls = files && { tls: tlsOptionsOf(files) };
    const spec = { ...at, port: chosen, timeouts, ...tls };
    const stream = await listenStream(spec, core, ask);
    streams.push(stream);
    bound.push({ ...where, port: stream.port, transport, fd: undefined });
  };

  const openHosts = async (listener: ProgramListener): Promise<void> => {
    const { scheme, hosts, port } = listener;
    for (const host of hosts.length > 0 ? hosts : ANY_HOSTS) {
      // What the kernel has chosen for one address is the port of all.
      const chosen = bound.find((each) => each.scheme === scheme && each.namedPort === port)?.port;
      try {
        await openOne(listener, host, chosen ?? openPort(options.ports, port));
      } catch (error) {
        const isSpare = hosts.length === 0 && host === '::' && isMissingFamily(error);
        if (!isSpare) throw error;
      }
    }
  };

  try {
    for (const listener of listeners) await openHosts(listener);
  } catch (error) {
    close();
    throw error;
  }
  return {
    bound,
    unsent: () => udps.reduce((sum, udp) => sum + udp.unsent(), 0),
    stop: async (successors) => {
      for (const udp of udps) {
        const own = bound.find(({ fd }) => fd === udp.fd);
        udp.stop(own && udpAt(successors, own));
      }
      await Promise.all(streams.map((stream) => stream.stop()));
    },
    close,
  };
}
