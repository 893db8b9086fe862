/**
 * From the cluster to everybody who answers its names: zones are compiled, and what has changed goes to
 * all sinks in the same order, the cuts that lead to the names last.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { CUT_F_UNSYNCED } from '../../assembly/abi-dns.js';
import { cutValue } from '../compile/dns/cuts.js';
import { createZone } from '../compile/dns/zone.js';
import type { NameProblem, Zone, ZoneSetup } from '../compile/dns/zone.js';
import { createNamesWriter, recordsOf } from '../core/names-writer.js';
import type { Cut } from '../dns/chain/cuts.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { NameKey, Named } from '../model/named.js';
import type { NameLog } from './name-log.js';
import type { NameSink } from './sink.js';

/** A zone plugin of the program. */
export interface FedZone extends ZoneSetup {
  /** Text of everything it was told: the same text, the same names. */
  readonly key: string;
  /** Seconds, of negative answers. */
  readonly negativeTtl: number;
}

export interface ZoneFeedParts {
  readonly sinks: readonly NameSink[];
  readonly log: Log;
  /** Undefined: nothing is kept on disk. */
  readonly nameLog: NameLog | undefined;
  /** Unix time, seconds. */
  readonly nowSec: () => number;
  /** What was touched is about to be sent. @returns  called when all sinks have it */
  readonly flushing?: (() => () => void) | undefined;
}

export interface ZoneFeed {
  /** What an earlier process had programmed: answered until the cluster says otherwise. */
  restore(identity: string, batches: readonly Uint8Array[]): Promise<void>;
  /**
   * Begin anew, with another configuration: sinks have been replaced, and know nothing but what is
   * left in the batches.
   *
   * @param batches  what sinks that have not been replaced know, too
   */
  restart(identity: string, batches: readonly Uint8Array[]): void;
  /** The zones and cuts of a configuration, instead of those before. */
  setProgram(zones: readonly FedZone[], cuts: readonly Cut[]): void;
  /** Objects have changed. */
  touched(keys: readonly NameKey[]): void;
  /** The source has said all it knew at first. */
  synced(): void;
  /** Names programmed. */
  size(): number;
  problems(): readonly NameProblem[];
  /** Settles when all that has been said is programmed. */
  settled(): Promise<void>;
}

interface Held {
  readonly zone: Zone;
  readonly setup: FedZone;
  /** Let it have no objects any more: what it has programmed goes. */
  readonly empty: () => void;
}

/** A zone over a view of the cluster that can be emptied. */
function hold(setup: FedZone): Held {
  let isEmpty = false;
  const { named } = setup;
  const nothing = new Map<never, never>();
  const view: Named = {
    get namespaces() {
      return isEmpty ? nothing : named.namespaces;
    },
    get services() {
      return isEmpty ? nothing : named.services;
    },
    get pods() {
      return isEmpty ? nothing : named.pods;
    },
    hasNamespace: (name) => !isEmpty && named.hasNamespace(name),
    slicesOf: (service) => (isEmpty ? [] : named.slicesOf(service)),
    allKeys: () => (isEmpty ? [] : named.allKeys()),
  };
  const zone = createZone({ ...setup, named: view });
  return {
    ...{ zone, setup },
    empty: () => {
      isEmpty = true;
      zone.apply(named.allKeys());
    },
  };
}

const keyOf = (space: number, name: Uint8Array): string =>
  `${space} ${Buffer.from(name).toString('latin1')}`;

export function createZoneFeed(parts: ZoneFeedParts): ZoneFeed {
  const { sinks, log, nameLog, nowSec, flushing } = parts;
  let zones = new Map<number, Held>();
  /** Of an earlier configuration: emptied, until all they had is gone. */
  let leaving: Held[] = [];
  let cuts: readonly Cut[] = [];
  let isSynced = false;
  /** Of the configuration. */
  let identity = '';
  /** Cuts programmed: the text of their values. */
  const programmed = new Map<string, { readonly cut: Cut; readonly value: string }>();
  /** Names an earlier process has left, that nobody has spoken of since. */
  const inherited = new Map<string, { readonly space: number; readonly name: Uint8Array }>();
  let running: Promise<void> | undefined;
  let isAsked = false;

  /** @param kept  what is said on disk instead */
  const send = async (records: Uint8Array, kept = records): Promise<Uint8Array> => {
    nameLog?.append(kept);
    for (const { space, name } of recordsOf(records)) inherited.delete(keyOf(space, name));
    const [first = records] = await Promise.all(
      sinks.map((sink) => sink.applyNames(Uint8Array.from(records))),
    );
    return first;
  };

  const valueOf = (cut: Cut, isHeard: boolean): Uint8Array => {
    const held = zones.get(cut.space);
    const flags = held && !isHeard ? cut.flags | CUT_F_UNSYNCED : cut.flags;
    return cutValue({
      ...{ space: cut.space, cache: cut.cache, udpMax: cut.udpMax, zone: cut.counters, flags },
      serial: held?.zone.serial() ?? 0,
      ttl: held?.setup.negativeTtl ?? 0,
    });
  };

  /** Of a cut on disk: who reads it there has not heard the API server. */
  const keptValueOf = (cut: Cut): Uint8Array => valueOf(cut, false);

  /** Records of cuts that are not as they should be, and as they are kept on disk. */
  const cutRecords = (): readonly [Uint8Array, Uint8Array] => {
    const [writer, kept] = [createNamesWriter(), createNamesWriter()];
    const wanted = new Set<string>();
    for (const cut of cuts) {
      const key = keyOf(cut.listener, cut.zone);
      wanted.add(key);
      const bytes = valueOf(cut, isSynced);
      const value = Buffer.from(bytes).toString('latin1');
      if (programmed.get(key)?.value === value) continue;
      programmed.set(key, { cut, value });
      writer.put(cut.listener, 0, cut.zone, bytes);
      kept.put(cut.listener, 0, cut.zone, keptValueOf(cut));
    }
    for (const [key, { cut }] of programmed) {
      if (wanted.has(key)) continue;
      programmed.delete(key);
      writer.remove(cut.listener, cut.zone);
      kept.remove(cut.listener, cut.zone);
    }
    return [writer.take(), kept.take()];
  };

  /** What an earlier process had and this one does not: gone, once all is known. */
  const leftovers = (): Uint8Array => {
    const writer = createNamesWriter();
    if (!isSynced) return writer.take();
    for (const { space, name } of inherited.values()) writer.remove(space, name);
    return writer.take();
  };

  const flushZones = async (): Promise<void> => {
    const gone = leaving;
    leaving = [];
    for (const { zone } of [...gone, ...zones.values()]) {
      for (;;) {
        const records = zone.flush(nowSec());
        if (records.length === 0) break;
        zone.acknowledge(await send(records));
        await breathe();
      }
    }
  };

  /** Everything there is, as a log of nothing else would have it. */
  const everything = function* (): Generator<Uint8Array> {
    for (const { setup } of zones.values()) {
      const zone = createZone(setup);
      for (;;) {
        const records = Uint8Array.from(zone.flush(nowSec()));
        if (records.length === 0) break;
        zone.acknowledge(records);
        yield records;
      }
    }
    const writer = createNamesWriter();
    for (const cut of cuts) writer.put(cut.listener, 0, cut.zone, keptValueOf(cut));
    yield writer.take();
  };

  const pump = async (): Promise<void> => {
    while (isAsked) {
      isAsked = false;
      // Before the first sync there may be less in the cluster than an earlier process knew.
      const flushed = flushing?.();
      if (isSynced || inherited.size === 0) await flushZones();
      const [records, kept] = cutRecords();
      if (records.length > 0) await send(records, kept);
      // What is left over is known only when all that is there has been said.
      const gone = leftovers();
      if (gone.length > 0) await send(gone);
      flushed?.();
      if (isSynced && nameLog?.isLong() === true) nameLog.replace(identity, everything());
    }
  };

  const ask = (): void => {
    isAsked = true;
    running ??= pump()
      .catch((error: unknown) => {
        log.error(`names: ${messageOf(error)}`);
      })
      .finally(() => {
        running = undefined;
        if (isAsked) ask();
      });
  };

  const inherit = (batches: readonly Uint8Array[]): void => {
    for (const { space, name, isRemoval } of batches.flatMap((records) => [
      ...recordsOf(records),
    ])) {
      const key = keyOf(space, name);
      if (isRemoval) inherited.delete(key);
      else inherited.set(key, { space, name: Uint8Array.from(name) });
    }
  };

  return {
    restore: async (own, batches) => {
      identity = own;
      inherit(batches);
      for (const records of batches) {
        await Promise.all(sinks.map((sink) => sink.applyNames(Uint8Array.from(records))));
      }
      nameLog?.replace(identity, batches);
    },
    restart: (own, batches) => {
      identity = own;
      inherit(batches);
      nameLog?.replace(identity, batches);
      zones = new Map();
      leaving = [];
      programmed.clear();
    },
    setProgram: (setups, newCuts) => {
      const kept = zones;
      zones = new Map();
      for (const setup of setups) {
        const known = kept.get(setup.space);
        kept.delete(setup.space);
        const isKept = known?.setup.key === setup.key;
        if (!isKept && known) kept.set(-setup.space, known);
        zones.set(setup.space, isKept ? known : hold(setup));
      }
      for (const held of kept.values()) {
        held.empty();
        leaving.push(held);
      }
      cuts = newCuts;
      ask();
    },
    touched: (keys) => {
      for (const { zone } of zones.values()) zone.apply(keys);
      ask();
    },
    synced: () => {
      isSynced = true;
      ask();
    },
    size: () => [...zones.values()].reduce((sum, { zone }) => sum + zone.size(), 0),
    problems: () => [...zones.values()].flatMap(({ zone }) => zone.problems()),
    settled: async () => {
      while (running) await running;
    },
  };
}
