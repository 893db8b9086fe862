/**
 * What the source has said and the tables do not say yet, by address family; and the totals.
 *
 * A pass takes all of it along (`begin`) and drops it when it succeeded (`settle`); what arrives
 * meanwhile waits for the next pass.
 *
 * Spec  kube-proxy, pkg/proxy: healthcheck.ProxyHealthServer, EndpointsChangeTracker
 */
import type { EndpointSlice } from 'kubernetes-types/discovery/v1.js';
import type { DeleteEvent, PutEvent, SourceEvent } from '../model/events.js';
import { objectKey } from '../model/keys.js';
import { isForeign } from '../model/services.js';

export const TRIGGER_ANNOTATION = 'endpoints.kubernetes.io/last-change-trigger-time';

export const IP_FAMILIES = ['IPv4', 'IPv6'] as const;
/** As Kubernetes spells it, in `ip_family` labels too. */
export type IpFamily = (typeof IP_FAMILIES)[number];

export interface FamilyBacklog {
  /** Since when something waits, milliseconds of Unix time; undefined when nothing does. */
  readonly oldestMs: number | undefined;
  readonly servicesPending: number;
  readonly slicesPending: number;
  readonly servicesTotal: number;
  readonly slicesTotal: number;
  /** Milliseconds of Unix time; undefined before the first. */
  readonly lastQueuedMs: number | undefined;
  /** End of the last pass that succeeded; the start of the agent before the first. */
  readonly lastUpdatedMs: number;
}

export interface Backlog {
  /** Take note of an event; before the source has `synced` it is counted, but nothing is due. */
  add(event: SourceEvent): void;
  /** A pass begins: it programs what has been added so far. */
  begin(): void;
  /**
   * The pass is over.
   *
   * @param succeeded  families whose tables are now as they should be
   * @returns          when the changes of slices that became programmed were triggered, each in
   *                   milliseconds of Unix time
   */
  settle(succeeded: readonly IpFamily[]): Record<IpFamily, readonly number[]>;
  family(family: IpFamily): FamilyBacklog;
}

interface Waiting {
  oldestMs: number | undefined;
  readonly services: Set<string>;
  readonly slices: Set<string>;
  /** Trigger times by slice; several changes of one slice all count. */
  readonly triggers: Map<string, number[]>;
}

interface FamilyState {
  waiting: Waiting;
  inPass: Waiting;
  servicesTotal: number;
  slicesTotal: number;
  lastQueuedMs: number | undefined;
  lastUpdatedMs: number;
}

function nothing(): Waiting {
  return { oldestMs: undefined, services: new Set(), slices: new Set(), triggers: new Map() };
}

/** The older one first. */
function merged(older: Waiting, newer: Waiting): Waiting {
  const triggers = new Map(older.triggers);
  for (const [key, times] of newer.triggers) {
    triggers.set(key, [...(triggers.get(key) ?? []), ...times]);
  }
  return {
    oldestMs: older.oldestMs ?? newer.oldestMs,
    services: new Set([...older.services, ...newer.services]),
    slices: new Set([...older.slices, ...newer.slices]),
    triggers,
  };
}

function familiesOfType(addressType: string): readonly IpFamily[] {
  return IP_FAMILIES.filter((family) => family === addressType);
}

/** Milliseconds of Unix time; undefined without a readable annotation. */
export function triggerOf(slice: EndpointSlice): number | undefined {
  const ms = Date.parse(slice.metadata?.annotations?.[TRIGGER_ANNOTATION] ?? '');
  return Number.isNaN(ms) ? undefined : ms;
}

/** @param now  milliseconds of Unix time */
export function createBacklog(now: () => number): Backlog {
  const startMs = now();
  const fresh = (): FamilyState => ({
    waiting: nothing(),
    inPass: nothing(),
    servicesTotal: 0,
    slicesTotal: 0,
    lastQueuedMs: undefined,
    lastUpdatedMs: startMs,
  });
  const states: Record<IpFamily, FamilyState> = { IPv4: fresh(), IPv6: fresh() };
  /** Of every slice: a change that keeps the trigger time is no new change. */
  const known = new Map<string, { families: readonly IpFamily[]; triggerMs: number | undefined }>();
  let isSynced = false;

  const queue = (families: readonly IpFamily[]): void => {
    if (!isSynced) return;
    for (const family of families) {
      const state = states[family];
      state.lastQueuedMs = now();
      state.waiting.oldestMs ??= state.lastQueuedMs;
    }
  };

  const addService = (key: string): void => {
    for (const family of IP_FAMILIES) {
      states[family].servicesTotal++;
      states[family].waiting.services.add(key);
    }
    queue(IP_FAMILIES);
  };

  const countSlice = (key: string, families: readonly IpFamily[]): void => {
    for (const family of families) {
      states[family].slicesTotal++;
      states[family].waiting.slices.add(key);
    }
    queue(families);
  };

  const putSlice = (slice: EndpointSlice): void => {
    const key = objectKey(slice.metadata);
    const families = familiesOfType(slice.addressType);
    const triggerMs = triggerOf(slice);
    const isNew = triggerMs !== undefined && triggerMs !== known.get(key)?.triggerMs;
    known.set(key, { families, triggerMs });
    countSlice(key, families);
    if (!isNew || triggerMs < startMs) return;
    for (const family of families) {
      const { triggers } = states[family].waiting;
      triggers.set(key, [...(triggers.get(key) ?? []), triggerMs]);
    }
  };

  const dropSlice = (key: string): void => {
    const families = known.get(key)?.families ?? IP_FAMILIES;
    known.delete(key);
    countSlice(key, families);
    // The annotation tells of the change before the deletion.
    for (const family of families) {
      states[family].waiting.triggers.delete(key);
      states[family].inPass.triggers.delete(key);
    }
  };

  /** Objects that are here for names: no proxy has them. */
  const forNames = new Set<string>();
  const isForNames = (event: PutEvent | DeleteEvent): boolean => {
    const { kind } = event;
    if (kind === 'Namespace') return true;
    if (kind !== 'Service' && kind !== 'EndpointSlice') return false;
    if (event.type === 'delete') return forNames.delete(`${kind} ${event.key}`);
    const id = `${kind} ${objectKey(event.object.metadata)}`;
    if (isForeign(event.object.metadata)) forNames.add(id);
    else forNames.delete(id);
    return forNames.has(id);
  };

  return {
    add: (event) => {
      if (event.type === 'synced') {
        isSynced = true;
        queue(IP_FAMILIES);
      } else if (isForNames(event)) {
        return;
      } else if (event.kind === 'Service') {
        addService(event.type === 'put' ? objectKey(event.object.metadata) : event.key);
      } else if (event.kind === 'EndpointSlice') {
        if (event.type === 'put') putSlice(event.object);
        else dropSlice(event.key);
      } else {
        queue(IP_FAMILIES);
      }
    },
    begin: () => {
      for (const state of Object.values(states)) {
        state.inPass = merged(state.inPass, state.waiting);
        state.waiting = nothing();
      }
    },
    settle: (succeeded) => {
      const programmed: Record<IpFamily, readonly number[]> = { IPv4: [], IPv6: [] };
      for (const family of succeeded) {
        const state = states[family];
        programmed[family] = [...state.inPass.triggers.values()].flat();
        state.inPass = nothing();
        state.lastUpdatedMs = now();
      }
      return programmed;
    },
    family: (family) => {
      const { waiting, inPass, ...rest } = states[family];
      const all = merged(inPass, waiting);
      return {
        ...rest,
        oldestMs: all.oldestMs,
        servicesPending: all.services.size,
        slicesPending: all.slices.size,
      };
    },
  };
}
