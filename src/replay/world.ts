/**
 * A node without a kernel: a core with the tables of a cluster, and links that are made up. Every pod
 * of the node has one; what comes from no local pod comes from the uplink, or from the host when it is
 * the node's own address.
 *
 * Nothing here needs Node: the same world is built by `sluice replay` and in a browser.
 */
import { PKTS_BASE, PKT_SRC_OFF, SCRATCH_BASE } from '../../assembly/abi.js';
import { ADDR_SIZE, familyOf, formatAddress, parseCidr, parseMac } from '../addr.js';
import type { Address } from '../addr.js';
import type { Control } from '../compile/control.js';
import type { Link } from '../compile/links.js';
import { NO_OUTSIDE } from '../compile/outside.js';
import type { Outside } from '../compile/outside.js';
import type { Problem } from '../compile/program.js';
import type { Core } from '../core/core.js';
import { namedKey } from '../model/keys.js';
import { GATEWAY_MAC, podMac } from '../model/pod-mac.js';
import type { NamedLink } from '../ops/trace-words.js';

export interface WorldOptions {
  readonly core: Core;
  /** The cluster, all of which has been said. */
  readonly control: Control;
  /** Of all links. */
  readonly mtu: number;
  /** Destinations outside that pods keep their address towards; undefined: towards all of them. */
  readonly exempt?: readonly Outside['exempt'][number][] | undefined;
}

export interface World {
  readonly core: Core;
  readonly links: readonly NamedLink[];
  /** Ingress link by the text of the sender's address. */
  readonly linkOf: ReadonlyMap<string, number>;
  /** Rows that the tables have not. */
  readonly problems: readonly Problem[];
}

const HOST_IFINDEX = 1;
const UPLINK_IFINDEX = 2;
const FIRST_POD_IFINDEX = 3;
export const MTU_DEFAULT = 1500;

/** Everywhere, by the uplink. */
const DEFAULT_ROUTES = ['0.0.0.0/0', '::/0'].map(parseCidr);
/** Never routed: they mean a link (RFC 4291 2.5.6, 2.7; RFC 3927 2.6). */
const LINKS_OWN = ['fe80::/10', 'ff00::/8', '169.254.0.0/16'].map(parseCidr);

/** What pods are masqueraded towards: all that is not the cluster's, by the uplink. */
function outsideOf(exempt: WorldOptions['exempt']): Outside {
  if (exempt === undefined) return NO_OUTSIDE;
  const routes = DEFAULT_ROUTES.map((cidr) => ({ cidr, uplink: UPLINK_IFINDEX }));
  return { ...NO_OUTSIDE, routes, exempt, kernels: LINKS_OWN };
}

/** What one flush sets free is there for the next. */
const FLUSHES_MAX = 2;

/** @returns what could not be programmed */
function program(core: Core, control: Control): readonly Problem[] {
  let problems: readonly Problem[] = [];
  for (let i = 0; i < FLUSHES_MAX; i++) {
    const records = control.flush();
    core.apply(records);
    problems = [...control.problems(), ...control.acknowledge(records)];
    if (problems.length === 0) break;
  }
  return problems;
}

/** Program the cluster into the core, which has been started, and make up the links. */
export function createWorld(options: WorldOptions): World {
  const { core, control, mtu } = options;
  const ownMac = parseMac(GATEWAY_MAC);
  const pods = control.localPods().map(({ pod, addresses }, i) => {
    const slash = pod.indexOf('/');
    const key = { namespace: pod.slice(0, slash), name: pod.slice(slash + 1) };
    const ifindex = FIRST_POD_IFINDEX + i;
    const named: NamedLink = { kind: 'pod', name: `link ${ifindex}`, ifindex, pod, addresses };
    const link: Link = {
      kind: 'pod',
      pod: namedKey(key.namespace, key.name),
      ifindex,
      mtu,
      ownMac,
      mac: parseMac(podMac(key)),
    };
    return { named, link };
  });
  const own = control.nodeAddresses();
  const links: NamedLink[] = [
    ...pods.map(({ named }) => named),
    { kind: 'host', name: 'host', ifindex: HOST_IFINDEX, addresses: own },
    { kind: 'uplink', name: 'uplink', ifindex: UPLINK_IFINDEX, addresses: [] },
  ];
  control.setLinks([
    { kind: 'host', ifindex: HOST_IFINDEX, mtu, ownMac },
    { kind: 'uplink', name: 'uplink', ifindex: UPLINK_IFINDEX, mtu, ownMac },
    ...pods.map(({ link }) => link),
  ]);
  control.setOutside(outsideOf(options.exempt));
  const problems = program(core, control);
  const linkOf = new Map(
    links.flatMap(({ ifindex, addresses }) =>
      addresses.map((address) => [formatAddress(address), ifindex] as const),
    ),
  );
  return { core, links, linkOf, problems };
}

export interface Ingress {
  readonly ifindex: number;
  /** Text of the source address; `-` where there is none. */
  readonly from: string;
}

/** Ingress of the frame at SCRATCH_BASE: parsed once for its source, by the core itself. */
export function ingressOf({ core, linkOf }: World, length: number): Ingress {
  core.exports.parseFrame(SCRATCH_BASE, length);
  const at = PKTS_BASE + PKT_SRC_OFF;
  const source = core.view.slice(at, at + ADDR_SIZE);
  if (source.every((byte) => byte === 0)) return { ifindex: UPLINK_IFINDEX, from: '-' };
  const address: Address = { bytes: source, family: familyOf(source) };
  const from = formatAddress(address);
  return { ifindex: linkOf.get(from) ?? UPLINK_IFINDEX, from };
}
