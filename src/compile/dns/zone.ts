/**
 * The names of one `kubernetes` plugin: what has changed in the cluster in, name records out.
 *
 * Every object that names come from is a piece of work of its own; it is compiled as a whole, and only
 * names whose value differs are written. The time is an argument.
 */
import type { DeltaError } from '../../../assembly/abi.js';
import { RecordType } from '../../dns/wire/header.js';
import { isWithin } from '../../dns/wire/name.js';
import { DataplaneError } from '../../errors.js';
import { namedKey } from '../../model/keys.js';
import type { ObjectKey } from '../../model/keys.js';
import type { NameKey, Named, NamedService } from '../../model/named.js';
import { readyEndpoints } from './endpoints.js';
import type { NamedEndpoint } from './endpoints.js';
import { createBatch } from './ledger.js';
import type { Batch, Ledger } from './ledger.js';
import { shownTtl } from './options.js';
import type { ZoneOptions } from './options.js';
import { createPodNames } from './pod-names.js';
import { hasNames, serviceRecords, serviceSuffix } from './records.js';
import { createReverse, holdingsOf } from './reverse.js';
import type { Holdings } from './reverse.js';
import type { NameRecord } from './rrsets.js';
import {
  addressId,
  holdsAddresses,
  isName,
  isReverseZone,
  nameBelow,
  nameFromText,
  reverseName,
} from './wire-names.js';
import { fixedRecords, namespaceRecords, podRecord, reverseApex } from './zone-records.js';

export interface ZoneSetup {
  /** Of its names, SPACE_FIRST or above; nobody else's. */
  readonly space: number;
  /** Texts of domain names; the first that is not one of addresses is what PTR records lead to. */
  readonly zones: readonly string[];
  readonly options: ZoneOptions;
  readonly named: Named;
}

/** A name that the core would not take; it is tried again. */
export interface NameProblem {
  /** Wire name. */
  readonly name: Uint8Array;
  readonly error: DeltaError;
}

export interface Zone {
  /** Note what has changed: compiled at the next flush. A new zone knows of everything. */
  apply(keys: Iterable<NameKey>): void;
  /**
   * Name records (NAMES_*) that make the names what they should be; again until there are none.
   *
   * Not before the last ones are acknowledged.
   *
   * @param nowSec  Unix time
   * @returns       some 200 KiB, or one object's records if those are more; empty: all is said
   */
  flush(nowSec: number): Uint8Array;
  /** The records flushed last, back from the core with their result words. */
  acknowledge(records: Uint8Array): void;
  /** What was refused and has not been taken since: the first hundred of it. */
  problems(): readonly NameProblem[];
  /** Unix time of the last flush that changed anything: of the SOA records. */
  serial(): number;
  /** Names programmed. */
  size(): number;
}

/** A piece of work. */
type Work = NameKey | 'servers' | `address:${string}`;

/** What is programmed of something below a zone. */
interface Part {
  /** Wire name. */
  readonly zone: Uint8Array;
  readonly ledger: Ledger;
}

interface ServiceState {
  readonly namespace: string;
  /** Below each zone that is none of addresses. */
  readonly parts: readonly Part[];
  holdings: Holdings;
}

const FLUSH_BYTES = 200 * 1024;
/** Until what was refused is tried again. */
const RETRY_SEC = 10;
const PROBLEMS_MAX = 100;
const NOTHING: Holdings = new Map();

function readZones(texts: readonly string[]): Uint8Array[] {
  return texts.map((text) => {
    const zone = nameFromText(text);
    if (zone !== undefined) return zone;
    throw new DataplaneError('ERR_CONFIG', `${JSON.stringify(text)} is no name of a zone`);
  });
}

const newParts = (zones: readonly Uint8Array[]): Part[] =>
  zones.map((zone) => ({ zone, ledger: new Map() }));

/** @throws DataplaneError ERR_CONFIG  a zone that is no domain name */
export function createZone({ space, zones: texts, options, named }: ZoneSetup): Zone {
  const all = readZones(texts);
  const zones = all.filter((zone) => !isReverseZone(zone));
  const reverseZones = all.filter(isReverseZone);
  const addressZones = all.filter(holdsAddresses);
  const home = zones[0];
  const ttl = shownTtl(options.ttl, options);
  const serverIds = new Set(options.servers.map(addressId));

  const parts = newParts(zones);
  const reverseParts = newParts(reverseZones);
  const addressLedger: Ledger = new Map();
  const states = new Map<ObjectKey, ServiceState>();
  const exposed = new Set<string>();
  /** Services of each namespace, exposed or not. */
  const residents = new Map<string, Set<ObjectKey>>();
  const servers = new Map<ObjectKey, NamedService>();
  const podNames = createPodNames();
  const reverse = createReverse();

  const work = new Set<Work>(['servers', ...named.allKeys()]);
  const refused = new Map<Work, NameProblem[]>();
  const waiting = new Set<Work>();
  let retryAtSec = 0;
  let serial = 0;
  let sent: Batch<Work> | undefined;

  const isExposed = (namespace: string): boolean => {
    const { namespaces, namespaceLabels } = options;
    if (namespaces.length > 0 && !namespaces.includes(namespace)) return false;
    const labels = named.namespaces.get(namedKey(undefined, namespace))?.labels ?? [];
    return named.hasNamespace(namespace) && namespaceLabels?.(labels) !== false;
  };

  /** A Service as resolvers may see it. */
  const shown = (service: NamedService | undefined, endpoints: readonly NamedEndpoint[]) => {
    if (service === undefined || !exposed.has(service.namespace)) return undefined;
    if (options.labels?.(service.labels) === false) return undefined;
    const isEmpty = service.clusterIPs.length > 0 && endpoints.length === 0;
    return isEmpty && options.ignoreEmptyService ? undefined : service;
  };

  const compileServers = (batch: Batch<Work>): void => {
    const who = { services: [...servers.values()], addresses: options.servers };
    for (const { zone, ledger } of parts) {
      for (const record of fixedRecords(zone, who, options)) {
        batch.settleOne('servers', ledger, { ...record, record });
      }
    }
    for (const { zone, ledger } of reverseParts) {
      batch.settle('servers', ledger, zone, reverseApex(zone, home ?? zone, who, options));
    }
  };

  const compileNamespace = (namespace: string, batch: Batch<Work>): void => {
    const isNow = isExposed(namespace);
    if (isNow !== exposed.has(namespace)) {
      if (isNow) exposed.add(namespace);
      else exposed.delete(namespace);
      for (const service of residents.get(namespace) ?? []) work.add(`service:${service}`);
      for (const pod of podNames.podsOf(namespace)) work.add(`pod:${pod}`);
    }
    for (const { zone, ledger } of parts) {
      const wished = isNow ? namespaceRecords(namespace, zone, options) : [];
      for (const key of [`${namespace}.svc`, `${namespace}.pod`]) {
        const record = wished.find((each) => each.key === key);
        const wish = { key, name: nameBelow(key, zone), record };
        batch.settleOne(`namespace:${namespace}`, ledger, wish);
      }
    }
  };

  const stateOf = (key: ObjectKey): ServiceState => {
    const namespace = key.slice(0, Math.max(key.indexOf('/'), 0));
    const known = states.get(key) ?? {
      namespace,
      parts: newParts(zones),
      holdings: NOTHING,
    };
    states.set(key, known);
    residents.set(namespace, (residents.get(namespace) ?? new Set()).add(key));
    return known;
  };

  const forget = (key: ObjectKey, { namespace }: ServiceState): void => {
    states.delete(key);
    const others = residents.get(namespace);
    others?.delete(key);
    if (others?.size === 0) residents.delete(namespace);
  };

  const holdServer = (key: ObjectKey, service: NamedService | undefined): void => {
    const isServer = service?.clusterIPs.some((ip) => serverIds.has(addressId(ip))) === true;
    if (!isServer && !servers.has(key)) return;
    if (isServer) servers.set(key, service);
    else servers.delete(key);
    work.add('servers');
  };

  const compileService = (key: ObjectKey, batch: Batch<Work>): void => {
    const found = named.services.get(key);
    const endpoints = found ? readyEndpoints(named.slicesOf(key), options) : [];
    const service = shown(found, endpoints);
    const state = stateOf(key);
    const [namespace = '', name = ''] = key.split('/');
    for (const { zone, ledger } of state.parts) {
      const wished = service ? serviceRecords(service, endpoints, { zone, ttl }) : [];
      batch.settle(`service:${key}`, ledger, serviceSuffix({ namespace, name }, zone), wished);
    }
    const isHeld = service !== undefined && addressZones.length > 0 && hasNames(service);
    const after = isHeld ? holdingsOf(service, endpoints) : NOTHING;
    for (const id of reverse.hold(key, state.holdings, after)) work.add(`address:${id}`);
    state.holdings = after;
    holdServer(key, service);
    if (found === undefined) forget(key, state);
  };

  /** PTR records of an address: its Service, or else all endpoints that have it. */
  const ptrRecord = (id: string, name: Uint8Array): NameRecord | undefined => {
    if (home === undefined) return undefined;
    const held = reverse.holders(id).flatMap((key) => {
      const service = named.services.get(key);
      const labels = states.get(key)?.holdings.get(id);
      return service && labels !== undefined ? [{ service, labels }] : [];
    });
    const owners = held.filter(({ labels }) => labels === '');
    const targets = (owners.length > 0 ? owners.slice(0, 1) : held).flatMap(({ service, labels }) =>
      labels.split('.').map((label) => nameBelow(label, serviceSuffix(service, home))),
    );
    const records = targets.filter(isName);
    const sets = [{ type: RecordType.PTR, ttl, records, glue: [] }];
    return records.length === 0 ? undefined : { key: id, name, flags: 0, sets };
  };

  const compileAddress = (id: string, batch: Batch<Work>): void => {
    const name = reverseName(id);
    if (!addressZones.some((zone) => isWithin(name, zone))) return;
    batch.settleOne(`address:${id}`, addressLedger, { key: id, name, record: ptrRecord(id, name) });
  };

  const compilePod = (key: ObjectKey, batch: Batch<Work>): void => {
    if (options.pods !== 'verified') return;
    const found = named.pods.get(key);
    const isShown =
      found && exposed.has(found.namespace) && options.labels?.(found.labels) !== false;
    for (const { key: name, address } of podNames.set(key, found, isShown === true)) {
      for (const { zone, ledger } of parts) {
        const [record] = address ? podRecord(name, address, zone, options) : [];
        batch.settleOne(`pod:${key}`, ledger, { key: name, name: nameBelow(name, zone), record });
      }
    }
  };

  const compile = (item: Work, batch: Batch<Work>): void => {
    refused.delete(item);
    if (item === 'servers') {
      compileServers(batch);
      return;
    }
    const rest = item.slice(item.indexOf(':') + 1);
    if (item.startsWith('namespace:')) compileNamespace(rest, batch);
    else if (item.startsWith('service:')) compileService(rest as ObjectKey, batch);
    else if (item.startsWith('pod:')) compilePod(rest as ObjectKey, batch);
    else compileAddress(rest, batch);
  };

  const retry = (nowSec: number): void => {
    if (waiting.size === 0 || nowSec < retryAtSec) return;
    for (const item of waiting) work.add(item);
    waiting.clear();
  };

  const allParts = (): Part[] => [
    ...parts,
    ...reverseParts,
    ...[...states.values()].flatMap((state) => state.parts),
  ];

  return {
    apply: (keys) => {
      for (const key of keys) work.add(key);
    },
    flush: (nowSec) => {
      if (sent !== undefined) return new Uint8Array();
      retry(nowSec);
      const batch = createBatch<Work>(space);
      // What is added on the way is taken along.
      for (const item of work) {
        work.delete(item);
        compile(item, batch);
        if (batch.bytes() >= FLUSH_BYTES) break;
      }
      if (batch.bytes() === 0) return new Uint8Array();
      serial = nowSec;
      sent = batch;
      return batch.take();
    },
    acknowledge: (records) => {
      for (const { owner, name, error } of sent?.settleRefused(records) ?? []) {
        refused.set(owner, [...(refused.get(owner) ?? []), { name, error }]);
        waiting.add(owner);
        retryAtSec = serial + RETRY_SEC;
      }
      sent = undefined;
    },
    problems: () => [...refused.values()].flat().slice(0, PROBLEMS_MAX),
    serial: () => serial,
    size: () => allParts().reduce((sum, { ledger }) => sum + ledger.size, addressLedger.size),
  };
}
