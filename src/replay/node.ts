/**
 * A node's control plane over a core without a kernel: objects in, a world out; again with other
 * objects, it becomes the world of those. The model and the compiler are the agent's.
 */
import { parseAddress } from '../addr.js';
import type { Cidr } from '../addr.js';
import { createControl } from '../compile/control.js';
import type { Control } from '../compile/control.js';
import type { Core } from '../core/core.js';
import type { Capacities } from '../core/regions.js';
import type { PutEvent } from '../model/events.js';
import { formatIgnored } from '../model/ignored.js';
import { namedKey, objectKey } from '../model/keys.js';
import type { ObjectKey } from '../model/keys.js';
import { HOST_ALIASES } from '../model/own-addresses.js';
import { openNames } from './names.js';
import { absenceNotes, nameNotes, rowNotes, sharedAddressNotes } from './notes.js';
import { MTU_DEFAULT, createWorld } from './world.js';
import type { World } from './world.js';

/** The Service of the cluster's DNS, unless somebody says otherwise. */
const KUBE_DNS = namedKey('kube-system', 'kube-dns');

export interface MadeNodeOptions {
  readonly nodeName: string;
  /** Of the core. */
  readonly capacities: Capacities;
  /** Service ranges: what no Service has there is dropped. */
  readonly serviceCIDRs: readonly Cidr[];
  /** Whose addresses answer DNS; default kube-system/kube-dns. */
  readonly dnsService?: ObjectKey | undefined;
}

/** What a set of objects comes to. */
export interface Settled {
  readonly world: World;
  /** What of the objects cannot be used, or does not fit, a sentence each. */
  readonly notes: readonly string[];
  /** Names that DNS queries are answered for. */
  readonly names: number;
}

export interface MadeNode {
  readonly control: Control;
  /**
   * Program a cluster.
   *
   * @param events  all its objects: what was there the last time and is not any more goes
   * @param nowSec  Unix time, the serial of the zones
   */
  settle(events: readonly PutEvent[], nowSec: number): Settled;
}

/** @param core  started */
export function makeNode(core: Core, options: MadeNodeOptions): MadeNode {
  const { nodeName, capacities, serviceCIDRs, dnsService = KUBE_DNS } = options;
  const policy = { hostAliases: HOST_ALIASES.map(parseAddress) };
  const control = createControl({ nodeName, capacities, policy, serviceCIDRs });
  const dns = openNames(core, control, dnsService);
  let known = new Map<string, PutEvent>();
  return {
    control,
    settle: (events, nowSec) => {
      const next = new Map<string, PutEvent>(
        events.map(
          (event) => [`${event.kind} ${objectKey(event.object.metadata)}`, event] as const,
        ),
      );
      for (const [id, { kind, object }] of known) {
        if (!next.has(id)) control.apply({ type: 'delete', kind, key: objectKey(object.metadata) });
      }
      const ignored = events.flatMap((event) => control.apply(event).map(formatIgnored));
      control.apply({ type: 'synced' });
      known = next;
      const { names, refused } = dns.flush(nowSec);
      const world = createWorld({ core, control, mtu: MTU_DEFAULT, exempt: [] });
      const notes = [
        ...ignored,
        ...absenceNotes(control, options),
        ...sharedAddressNotes(control),
        ...rowNotes(world.problems, capacities),
        ...nameNotes(refused, capacities),
      ];
      return { world, notes, names };
    },
  };
}
