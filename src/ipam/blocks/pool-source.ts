/** Where pools and reservations come from: the store, or the configuration file. */
import type { Cidr } from '../../addr.js';
import type { Store } from '../store/store.js';
import { ipamErrorOf } from './block-table.js';
import { readPool, readReservation, viewOf } from './pool.js';
import type { Pool, PoolView } from './pool.js';

export interface PoolSource {
  /** @throws IpamError unavailable  when they are in a store that has never answered */
  read(): Promise<PoolView>;
  /** What was read last. */
  last(): PoolView | undefined;
}

/** Pools are read again when they are older, ms: a change counts that much later at most. */
const FRESH_MS = 5_000;

export function inlinePools(pools: readonly Pool[], reserved: readonly Cidr[]): PoolSource {
  const view = viewOf(pools, reserved);
  return { read: () => Promise.resolve(view), last: () => view };
}

async function readStore(store: Store): Promise<PoolView> {
  const [pools, reservations] = await Promise.all([
    store.list('pools'),
    store.list('reservations'),
  ]);
  const nameOf = (key: string) => key.slice(key.indexOf('/') + 1);
  const readPools = pools.map(({ key, value }) => readPool(nameOf(key), value));
  const reserved = reservations.map(({ key, value }) => readReservation(nameOf(key), value));
  const isText = (read: unknown) => typeof read === 'string';
  return viewOf(
    readPools.filter((pool) => typeof pool !== 'string'),
    reserved.flatMap((cidrs) => (typeof cidrs === 'string' ? [] : cidrs)),
    [...readPools.filter(isText), ...reserved.filter(isText)],
  );
}

/** The last ones are good enough while the store does not answer. */
export function storedPools(store: Store, nowMs: () => number): PoolSource {
  let view: PoolView | undefined;
  let readMs = 0;
  let reading: Promise<PoolView> | undefined;
  const load = async (): Promise<PoolView> => {
    try {
      view = await readStore(store);
      readMs = nowMs();
      return view;
    } catch (cause) {
      if (view !== undefined) return view;
      throw ipamErrorOf(cause);
    } finally {
      reading = undefined;
    }
  };
  return {
    read: () => {
      const isFresh = Math.abs(nowMs() - readMs) < FRESH_MS;
      if (view !== undefined && isFresh) return Promise.resolve(view);
      reading ??= load();
      return reading;
    },
    last: () => view,
  };
}
