/** Compiled rows in words, for tests that are about what a Service comes to. */
import {
  FRONTEND_KIND_OFF,
  FrontendKind,
  SERVICE_AFFINITY_SEC_OFF,
  SERVICE_FLAGS_OFF,
  SERVICE_F_EXTERNAL_LOCAL,
  SERVICE_F_HAS_ANY,
  SERVICE_F_INTERNAL_LOCAL,
  SERVICE_F_ROUND_ROBIN,
  SERVICE_F_SELF_IN_RANGE,
  TableId,
} from '../../assembly/abi.js';
import { BARE_SURROUNDINGS, compileAll } from '../../src/compile/compile.js';
import type { Surroundings } from '../../src/compile/compile.js';
import type { Rows, ServiceRow } from '../../src/compile/rows.js';
import { createCluster } from '../../src/model/cluster.js';
import type { DeleteEvent, PutEvent } from '../../src/model/events.js';
import { HERE } from '../model/objects.js';

export function compiled(
  events: readonly (PutEvent | DeleteEvent)[],
  around: Partial<Surroundings> = {},
): Rows {
  const cluster = createCluster(HERE);
  for (const event of events) cluster.apply(event);
  return compileAll(cluster, { ...BARE_SURROUNDINGS, ...around });
}

/** `NODE_PORT 192.0.2.1:30080/TCP`, sorted; addresses without a port left out. */
export function frontendsIn(rows: Rows): string[] {
  return [...rows]
    .flatMap(([key, row]) => {
      const kind = FrontendKind[row.bytes[FRONTEND_KIND_OFF] ?? 0] ?? '?';
      const isFrontend = row.table === TableId.FRONTEND && row.service !== undefined;
      return isFrontend ? [`${kind} ${key.slice('frontend '.length)}`] : [];
    })
    .sort();
}

const FLAGS = {
  INTERNAL_LOCAL: SERVICE_F_INTERNAL_LOCAL,
  EXTERNAL_LOCAL: SERVICE_F_EXTERNAL_LOCAL,
  HAS_ANY: SERVICE_F_HAS_ANY,
  SELF_IN_RANGE: SERVICE_F_SELF_IN_RANGE,
  ROUND_ROBIN: SERVICE_F_ROUND_ROBIN,
};

/** A SERVICE row in words; endpoints as `ip:port`. */
export interface ReadService {
  readonly flags: readonly string[];
  readonly affinitySec: number;
  readonly cluster: readonly string[];
  readonly local: readonly string[];
  readonly row: ServiceRow;
}

/** @param name  `default/web:http/TCP IPv4` */
export function serviceIn(rows: Rows, name = 'default/web:http/TCP IPv4'): ReadService {
  const row = [...rows].find(([key]) => key === `service ${name}`)?.[1];
  if (row?.table !== TableId.SERVICE) throw new Error(`no service ${name}`);
  const view = new DataView(row.bytes.buffer);
  const flags = view.getUint32(SERVICE_FLAGS_OFF, true);
  const members = ({ first, count }: { first: number; count: number }) =>
    row.backends
      .slice(first, first + count)
      .map((key) => key.replace(/^backend (.*)\/[A-Z]+/, '$1'));
  return {
    flags: Object.entries(FLAGS).flatMap(([flag, bit]) => ((flags & bit) === 0 ? [] : [flag])),
    affinitySec: view.getUint32(SERVICE_AFFINITY_SEC_OFF, true),
    cluster: members(row.sets.cluster),
    local: members(row.sets.local),
    row,
  };
}
