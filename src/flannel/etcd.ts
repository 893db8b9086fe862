/**
 * flannel's nodes in etcd, as a source of Node objects: this one, by the lease it takes, and all
 * others. A lease is 24 hours long and renewed an hour before its end. A node that comes back gets
 * the subnet it had: by its address, else by what its subnet file says.
 *
 * etcd3 is an optional package: it is loaded when it is needed.
 *
 * Spec: flannel-io/flannel, pkg/subnet/etcd/local_manager.go
 */
import { readFileSync } from 'node:fs';
import type { Etcd3, IKeyValue } from 'etcd3';
import { formatAddress } from '../addr.js';
import type { Address, Cidr } from '../addr.js';
import type { EtcdConfig } from '../config/overlay.js';
import { DataplaneError, messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { PutEvent, SourceEvent } from '../model/events.js';
import { namedKey } from '../model/keys.js';
import {
  leaseName,
  leaseText,
  mayKeep,
  nodeOf,
  parseLease,
  parseLeaseName,
  parseNetConf,
  pickSubnet,
} from './net-conf.js';
import type { LeaseAttrs, SubnetRange } from './net-conf.js';

export interface FlannelEtcdOptions {
  readonly etcd: EtcdConfig;
  readonly nodeName: string;
  /** Where others reach this node, at most one a family. */
  readonly addresses: readonly Address[];
  /** Of its end, unless its lease says another. */
  readonly mac: Uint8Array;
  readonly vni: number;
  /** Subnets this node had, by whatever it remembers. */
  readonly previous: readonly Cidr[];
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Uniform in 0 to 1. */
  readonly random?: () => number;
  /** From one look at all leases to the next, when nothing is heard; ms. */
  readonly relistMs?: number;
}

/** Seconds: 24 hours, and the last hour of them. */
const LEASE_SEC = 86_400;
const RENEW_SEC = LEASE_SEC - 3_600;
const RELIST_MS = 30_000;
const ANSWER_MS = 5_000;
/** Nodes that draw the same subnet at the same time draw again. */
const TRIES = 10;

interface Lease {
  readonly name: string;
  readonly subnets: readonly Cidr[];
  readonly attrs: LeaseAttrs;
}

const pem = (file: string | undefined): Buffer | undefined =>
  file === undefined ? undefined : readFileSync(file);

async function connect(config: EtcdConfig): Promise<Etcd3> {
  const { Etcd3: Client } = await import('etcd3').catch((cause: unknown) => {
    const what = 'overlay.etcd: the package etcd3 is not installed: npm install etcd3';
    throw new DataplaneError('ERR_SOURCE', what, { cause });
  });
  const [ca, cert, key] = [pem(config.caFile), pem(config.certFile), pem(config.keyFile)];
  const identity = cert && key ? { certChain: cert, privateKey: key } : {};
  const { username, password } = config;
  return new Client({
    hosts: [...config.endpoints],
    ...(ca === undefined ? {} : { credentials: { rootCertificate: ca, ...identity } }),
    ...(username === undefined || password === undefined ? {} : { auth: { username, password } }),
    // A watch goes on for ever.
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + ANSWER_MS }),
  });
}

function leaseOf(kv: IKeyValue, prefix: string): Lease | undefined {
  const name = kv.key.toString().slice(prefix.length);
  const subnets = parseLeaseName(name);
  const attrs = parseLease(kv.value.toString());
  return subnets && attrs && { name, subnets, attrs };
}

/** Whether a lease was made by a node of these addresses. */
function isOwn({ attrs }: Lease, addresses: readonly Address[]): boolean {
  return addresses.some((address) => {
    const said = address.family === 4 ? attrs.PublicIP : attrs.PublicIPv6;
    return said === formatAddress(address);
  });
}

function choose(
  ranges: readonly SubnetRange[],
  leases: readonly Lease[],
  { previous, random = Math.random }: FlannelEtcdOptions,
): readonly Cidr[] {
  const taken = leases.flatMap(({ subnets }) => subnets);
  const takenNames = new Set(taken.map((cidr) => leaseName([cidr])));
  return ranges.map((range) => {
    const had = previous.find((cidr) => mayKeep(range, cidr) && !takenNames.has(leaseName([cidr])));
    const subnet = had ?? pickSubnet(range, taken, random);
    if (subnet !== undefined) return subnet;
    throw new DataplaneError('ERR_SOURCE', 'flannel: every subnet of the network is taken');
  });
}

interface Leases {
  list(): Promise<Lease[]>;
  /** Take a lease, or take it anew. */
  acquire(): Promise<Lease>;
  /**
   * Have this called when a lease comes, changes or goes.
   *
   * @param ended  called when etcd goes on no more: what was missed is compacted, or may not be seen
   */
  watch(changed: () => void, ended: (cause: Error) => void): Promise<void>;
}

function createLeases(client: Etcd3, options: FlannelEtcdOptions): Leases {
  const { etcd, addresses, vni, mac, signal } = options;
  const root = etcd.prefix.replace(/\/+$/, '');
  const prefix = `${root}/subnets/`;

  const list = async (): Promise<Lease[]> => {
    const { kvs } = await client.getAll().prefix(prefix).exec();
    return kvs.flatMap((kv) => leaseOf(kv, prefix) ?? []);
  };
  const grant = async (): Promise<string> =>
    (await client.leaseClient.leaseGrant({ TTL: LEASE_SEC, ID: 0 })).ID;

  /** @returns undefined when somebody else was first */
  const tryAcquire = async (ranges: readonly SubnetRange[]): Promise<Lease | undefined> => {
    const leases = await list();
    const own = leases.find(
      (lease) =>
        isOwn(lease, addresses) &&
        ranges.every((range) => lease.subnets.some((subnet) => mayKeep(range, subnet))),
    );
    const subnets = own?.subnets ?? choose(ranges, leases, options);
    const said = own?.attrs.BackendData?.VtepMAC ?? own?.attrs.BackendV6Data?.VtepMAC;
    const ownMac = said === undefined ? mac : (macOf(said) ?? mac);
    const text = leaseText(addresses, vni, ownMac);
    const name = own?.name ?? leaseName(subnets);
    const put = client
      .put(`${prefix}${name}`)
      .value(text)
      .lease(await grant());
    if (own) await put.exec();
    else {
      const answer = await client.if(`${prefix}${name}`, 'Create', '==', '0').then(put).commit();
      if (!answer.succeeded) return undefined;
    }
    const attrs = parseLease(text);
    return attrs && { name, subnets, attrs };
  };

  return {
    list,
    acquire: async () => {
      const text = await client.get(`${root}/config`).string();
      if (text === null) {
        throw new DataplaneError('ERR_SOURCE', `flannel: etcd has no ${root}/config`);
      }
      const ranges = parseNetConf(text);
      for (let tries = 0; tries < TRIES; tries++) {
        const lease = await tryAcquire(ranges);
        if (lease) return lease;
      }
      throw new DataplaneError('ERR_SOURCE', 'flannel: others are always first to take a subnet');
    },
    watch: async (changed, ended) => {
      const watcher = await client.watch().prefix(prefix).create();
      const stop = (): void => void watcher.cancel().catch(() => undefined);
      signal.addEventListener('abort', stop, { once: true });
      watcher.on('put', changed).on('delete', changed).on('connected', changed);
      watcher.on('error', (cause) => {
        signal.removeEventListener('abort', stop);
        ended(cause);
      });
    },
  };
}

function macOf(text: string): Uint8Array | undefined {
  const bytes = text.split(':').map((part) => parseInt(part, 16));
  return bytes.length === 6 && !bytes.some(Number.isNaN) ? Uint8Array.from(bytes) : undefined;
}

/** A bell that is waited for, or not much longer. */
function createBell(signal: AbortSignal) {
  let wake: (() => void) | undefined;
  let hasRung = false;
  return {
    ring: (): void => {
      hasRung = true;
      wake?.();
    },
    wait: (ms: number): Promise<void> =>
      new Promise((settle) => {
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          wake = undefined;
          hasRung = false;
          settle();
        };
        const timer = setTimeout(done, hasRung || signal.aborted ? 0 : ms);
        signal.addEventListener('abort', done, { once: true });
        wake = done;
      }),
  };
}

/**
 * This node and its peers, as they come, change and go, until the signal aborts. What etcd does not
 * answer is tried again: what it said last goes on.
 *
 * @throws DataplaneError ERR_SOURCE  when the package is not there
 */
export async function* watchFlannelEtcd(options: FlannelEtcdOptions): AsyncGenerator<SourceEvent> {
  const { nodeName, signal, log, relistMs = RELIST_MS } = options;
  const client = await connect(options.etcd);
  const leases = createLeases(client, options);
  const bell = createBell(signal);
  const known = new Map<string, string>();
  let own: Lease | undefined;
  let renewAtMs = 0;
  let isWatching = false;
  let isSynced = false;
  const watchEnded = (cause: Error): void => {
    log.warn(`flannel's etcd: ${messageOf(cause)}`);
    isWatching = false;
  };
  const look = async (): Promise<SourceEvent[]> => {
    if (own === undefined || performance.now() >= renewAtMs) {
      own = await leases.acquire();
      renewAtMs = performance.now() + RENEW_SEC * 1000;
      log.info({ subnets: own.name }, 'subnet of this node leased');
    }
    if (!isWatching) await leases.watch(bell.ring, watchEnded);
    isWatching = true;
    const all = await leases.list();
    if (holds(all, own)) {
      const events = difference(known, nodesOf(all, own, nodeName));
      if (!isSynced) events.push({ type: 'synced' });
      isSynced = true;
      return events;
    }
    log.warn({ subnets: own.name }, 'this node has lost its subnet');
    own = undefined;
    bell.ring();
    return [];
  };
  try {
    while (!signal.aborted) {
      try {
        yield* await look();
      } catch (error) {
        log.warn(`flannel's etcd: ${messageOf(error)}`);
      }
      await bell.wait(relistMs);
    }
  } finally {
    client.close();
  }
}

/** Whether a lease is still there, and nobody else's. */
function holds(all: readonly Lease[], { name, attrs }: Lease): boolean {
  return all.some(
    (lease) =>
      lease.name === name &&
      lease.attrs.PublicIP === attrs.PublicIP &&
      lease.attrs.PublicIPv6 === attrs.PublicIPv6,
  );
}

/** Nodes by their names; of this node only the lease that it holds counts. */
function nodesOf(all: readonly Lease[], own: Lease, nodeName: string): Map<string, PutEvent> {
  const others = all.filter(({ name }) => name !== own.name);
  const named = [
    [nodeName, own] as const,
    ...others.map((lease) => [`flannel-${lease.name}`, lease] as const),
  ];
  return new Map(
    named.map(([name, { subnets, attrs }]) => [
      name,
      { type: 'put', kind: 'Node', object: nodeOf(name, subnets, attrs) },
    ]),
  );
}

/** Events from what was said to what is. */
function difference(known: Map<string, string>, now: Map<string, PutEvent>): SourceEvent[] {
  const events: SourceEvent[] = [];
  for (const [name, event] of now) {
    const text = JSON.stringify(event.object);
    if (known.get(name) !== text) events.push(event);
    known.set(name, text);
  }
  for (const name of [...known.keys()]) {
    if (now.has(name)) continue;
    known.delete(name);
    events.push({ type: 'delete', kind: 'Node', key: namedKey(undefined, name) });
  }
  return events;
}
