/**
 * The cluster's DNS in a core without a server: the zones of a `kubernetes` plugin as kubeadm writes
 * it. What they do not answer is the host's, of which there is none here.
 */
import { DeltaError } from '../../assembly/abi.js';
import { CUT_F_FALLTHROUGH, CUT_F_HOST, CUT_F_RA, SPACE_FIRST } from '../../assembly/abi-dns.js';
import { parseAddress } from '../addr.js';
import type { Control } from '../compile/control.js';
import { cutValue } from '../compile/dns/cuts.js';
import { ZONE_DEFAULTS } from '../compile/dns/options.js';
import { nameFromText } from '../compile/dns/wire-names.js';
import { createZone } from '../compile/dns/zone.js';
import type { Core } from '../core/core.js';
import { createNamesWriter, refusedNames } from '../core/names-writer.js';
import type { RefusedName } from '../core/names-writer.js';
import type { ObjectKey } from '../model/keys.js';
import { DNS_SERVERS } from '../model/own-addresses.js';

/** A zone and the flags of its cut. */
const ZONES = [
  ['cluster.local', CUT_F_RA],
  ['in-addr.arpa', CUT_F_RA | CUT_F_FALLTHROUGH],
  ['ip6.arpa', CUT_F_RA | CUT_F_FALLTHROUGH],
] as const;
const TTL_SEC = 30;
const LISTENER = 1;
const DNS_PORT = 53;

/** What one round sets free is there for the next. */
const ROUNDS_MAX = 2;
/** Longer than a zone waits before it tries again what was refused. */
const ROUND_SEC = 60;

export interface FlushedNames {
  /** Programmed in all. */
  readonly names: number;
  /** Zones and names that the core would not take. */
  readonly refused: readonly RefusedName[];
}

/** The names of a cluster in a core. */
export interface ClusterNames {
  /**
   * Program what has changed since the last time.
   *
   * @param nowSec  Unix time, the serial of the zones
   */
  flush(nowSec: number): FlushedNames;
}

/**
 * Let the core answer for a Service, from now on and as the cluster changes.
 *
 * @param service  whose addresses are asked, on port 53; the control plane is told, too
 */
export function openNames(core: Core, control: Control, service: ObjectKey): ClusterNames {
  const servers = DNS_SERVERS.map(parseAddress);
  control.setDns({ service, listener: LISTENER, addresses: servers, port: DNS_PORT });
  const zone = createZone({
    space: SPACE_FIRST,
    zones: ZONES.map(([name]) => name),
    options: { ...ZONE_DEFAULTS, ttl: TTL_SEC, pods: 'insecure', servers },
    named: control.named,
  });
  control.onNames((keys) => {
    zone.apply(keys);
  });
  const apply = (records: Uint8Array): RefusedName[] => {
    core.applyNames(records);
    return refusedNames(records).filter(({ error }) => error !== DeltaError.ABSENT);
  };
  const putCuts = (nowSec: number): RefusedName[] => {
    const cuts = createNamesWriter();
    const put = (name: string, flags: number, space: number): void => {
      const value = cutValue({ space, flags, serial: nowSec, ttl: TTL_SEC, zone: 0 });
      cuts.put(LISTENER, 0, nameFromText(name) ?? Uint8Array.of(0), value);
    };
    put('.', CUT_F_HOST | CUT_F_RA, 0);
    for (const [name, flags] of ZONES) put(name, flags, SPACE_FIRST);
    return apply(cuts.take());
  };
  let rounds = 0;
  /** Say all that has changed, and what was refused in an earlier round. */
  const putNames = (): RefusedName[] => {
    const refused: RefusedName[] = [];
    rounds++;
    for (;;) {
      const records = zone.flush(rounds * ROUND_SEC);
      if (records.length === 0) return refused;
      refused.push(...apply(records));
      zone.acknowledge(records);
    }
  };
  return {
    flush: (nowSec) => {
      // Before the names: without them no query is answered at all.
      const cuts = putCuts(nowSec);
      let refused = putNames();
      for (let i = 1; i < ROUNDS_MAX && refused.length > 0; i++) refused = putNames();
      return { names: zone.size(), refused: [...cuts, ...refused] };
    },
  };
}

/** `openNames` for a cluster that does not change any more. */
export function answerNames(
  core: Core,
  control: Control,
  service: ObjectKey,
  nowSec: number,
): FlushedNames {
  return openNames(core, control, service).flush(nowSec);
}
