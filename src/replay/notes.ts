/** What of a cluster its node cannot do, in sentences: as few as there are causes. */
import { DeltaError } from '../../assembly/abi.js';
import { SPACE_FIRST } from '../../assembly/abi-dns.js';
import { formatAddress } from '../addr.js';
import type { Control } from '../compile/control.js';
import type { Problem } from '../compile/program.js';
import type { RefusedName } from '../core/names-writer.js';
import type { Capacities } from '../core/regions.js';
import { formatName } from '../dns/wire/name.js';
import type { ObjectKey } from '../model/keys.js';

/** Tables that the core itself finds full, by the first word of their rows' keys. */
const HASHED: Readonly<Record<string, keyof Capacities>> = {
  link: 'links',
  route: 'routes',
  frontend: 'frontends',
};

const others = (count: number): string => (count > 1 ? ` and ${count - 1} more` : '');

/** Problems with one cause. */
function causeOf({ key, reason }: Problem): string {
  const [kind = ''] = key.split(' ');
  // How long a run is wanted differs from Service to Service.
  return `${kind} ${kind === 'service' ? reason.replace(/\d+/, '') : reason}`;
}

/** A sentence for each cause, with how many rows it has. */
export function rowNotes(problems: readonly Problem[], capacities: Capacities): string[] {
  const causes = new Map<string, Map<string, Problem>>();
  for (const problem of problems) {
    const cause = causeOf(problem);
    const rows = causes.get(cause) ?? new Map<string, Problem>();
    causes.set(cause, rows.set(problem.key, problem));
  }
  return [...causes.values()].flatMap((rows) => {
    const [first] = rows.values();
    if (first === undefined) return [];
    const table = HASHED[first.key.split(' ')[0] ?? ''];
    const isFull = first.reason.endsWith(`: ${DeltaError[DeltaError.TABLE_FULL]}`);
    const reason =
      table !== undefined && isFull
        ? `no room, capacities.${table} is ${capacities[table]}`
        : first.reason;
    return [`${first.key}${others(rows.size)}: ${reason}`];
  });
}

/** A sentence for each way in which names were refused, and one for their zones. */
export function nameNotes(refused: readonly RefusedName[], capacities: Capacities): string[] {
  const causes = new Map<string, RefusedName[]>();
  for (const record of refused) {
    const cause = `${isZone(record) ? 'zone' : 'name'} ${record.error}`;
    causes.set(cause, [...(causes.get(cause) ?? []), record]);
  }
  return [...causes.values()].flatMap((records) => {
    const [first] = records;
    if (first === undefined) return [];
    const { names, rrsetBytes } = capacities;
    const reason =
      first.error === DeltaError.TABLE_FULL
        ? `no room, capacities.names is ${names} and capacities.rrsetBytes ${rrsetBytes}`
        : `refused by the core: ${DeltaError[first.error]}`;
    const what = isZone(first) ? 'DNS zone' : 'DNS name';
    return [`${what} ${formatName(first.name)}${others(records.length)}: ${reason}`];
  });
}

/** Cuts are a listener's. */
const isZone = ({ space }: RefusedName): boolean => space < SPACE_FIRST;

export interface Asked {
  readonly nodeName: string;
  /** Somebody has named it. */
  readonly dnsService?: ObjectKey | undefined;
}

/** What was asked for and is not in the cluster. */
export function absenceNotes(control: Control, { nodeName, dnsService }: Asked): string[] {
  const isNode = control.ownNode() !== undefined || control.localPods().length > 0;
  const isService = dnsService === undefined || control.named.services.has(dnsService);
  return [
    ...(isNode ? [] : [`node ${nodeName}: there is no Node of that name, and no Pod is on it`]),
    ...(isService ? [] : [`dnsService ${dnsService}: there is no Service of that name`]),
  ];
}

/** Services that have one address. */
export function sharedAddressNotes({ named }: Control): string[] {
  const holders = new Map<string, string[]>();
  for (const { key, clusterIPs } of named.services.values()) {
    for (const address of clusterIPs) {
      const text = formatAddress(address);
      holders.set(text, [...(holders.get(text) ?? []), key]);
    }
  }
  return [...holders]
    .filter(([, keys]) => keys.length > 1)
    .map(
      ([address, keys]) =>
        `Services ${keys.sort().join(', ')} have one ClusterIP, ${address}: a port of it that several have is one's`,
    );
}
