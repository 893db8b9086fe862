/** Whom questions are put to: the core in this process, or a server at an address. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { DNS_F_TCP, DNS_HOST, DNS_HLEN } from '../../../assembly/abi-dns.js';
import { readManifests } from '../../../src/sources/manifests.js';
import { namesRig } from '../names-rig.js';
import type { Cluster } from './cluster.js';
import type { Party } from './compare.js';
import { manifestsOf } from './manifests.js';

const UDP_MAX = 4096;
const UDP_TIMEOUT_MS = 500;
const TCP_TIMEOUT_MS = 5_000;
const LENGTH_SIZE = 2;

/** The names of a cluster, compiled from its YAML, in a core of its own. */
export function coreParty(cluster: Cluster): Party {
  const { domain, ttl, pods } = cluster;
  const zones = [domain, 'in-addr.arpa', 'ip6.arpa'];
  const rig = namesRig({ zones, options: { ttl, pods } });
  const { events, bad } = readManifests(manifestsOf(cluster), 'cluster.yaml');
  if (bad.length > 0) throw new Error(JSON.stringify(bad));
  rig.apply(...events);
  return {
    udpMax: UDP_MAX,
    ask: (message, transport) => {
      const flags = transport === 'tcp' ? DNS_F_TCP : 0;
      const { result, reply } = rig.core.ask(message, { flags });
      if (result === DNS_HOST) return Promise.resolve('host');
      return Promise.resolve(result < DNS_HLEN ? undefined : reply);
    },
  };
}

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** One datagram, and one back; undefined when none comes in time. */
function askUdp({ host, port }: Place, message: Uint8Array): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const end = (reply?: Uint8Array): void => {
      clearTimeout(timer);
      socket.close();
      resolve(reply);
    };
    const timer = setTimeout(end, UDP_TIMEOUT_MS);
    socket.once('error', reject);
    socket.once('message', end);
    socket.send(message, port, host);
  });
}

/** A connection for one message; undefined when it is closed without a reply. */
function askTcp({ host, port }: Place, message: Uint8Array): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let bytes = Buffer.alloc(0);
    socket.setTimeout(TCP_TIMEOUT_MS, () => socket.destroy());
    socket.on('error', reject);
    socket.on('close', () => {
      resolve(undefined);
    });
    socket.on('data', (part) => {
      bytes = Buffer.concat([bytes, part]);
      const length = bytes.length < LENGTH_SIZE ? Infinity : bytes.readUInt16BE(0);
      if (bytes.length < LENGTH_SIZE + length) return;
      resolve(bytes.subarray(LENGTH_SIZE, LENGTH_SIZE + length));
      socket.destroy();
    });
    const framed = Buffer.alloc(LENGTH_SIZE + message.length);
    framed.writeUInt16BE(message.length);
    framed.set(message, LENGTH_SIZE);
    socket.write(framed);
  });
}

/** A server that listens for UDP and TCP. */
export function serverParty(place: Place): Party {
  return {
    udpMax: UDP_MAX,
    ask: (message, transport) => (transport === 'udp' ? askUdp : askTcp)(place, message),
  };
}
