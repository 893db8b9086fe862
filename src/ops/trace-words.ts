/** What each stage of a traced packet decided, in words. */
import {
  Action,
  Drop,
  FrontendKind,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  Origin,
  PKT_F_ANSWER,
  SERVICE_AFFINITY_SEC_OFF,
  SERVICE_FLAGS_OFF,
  SERVICE_F_EXTERNAL_LOCAL,
  SERVICE_F_INTERNAL_LOCAL,
  SERVICE_F_ROUND_ROBIN,
  SERVICE_LOCAL_MAGLEV_COUNT_OFF,
  SERVICE_MAGLEV_COUNT_OFF,
  TALLY_FLAGS_OFF,
  TALLY_F_REPLY,
  TALLY_STATE_OFF,
  TcpState,
  Verdict,
} from '../../assembly/abi.js';
import { formatAddress, sameBytes } from '../addr.js';
import type { Address } from '../addr.js';
import type { Traced } from '../core/trace.js';
import { PROTOCOL_NAMES, readFrame } from './pkt.js';
import type { FrameTuple, Pkt } from './pkt.js';
import { buildProbe, formatEnd } from './probe-frame.js';
import type { Probe, ProbeEnd } from './probe-frame.js';

/** A link as people call it. */
export interface NamedLink {
  readonly kind: 'pod' | 'host' | 'uplink';
  readonly name: string;
  readonly ifindex: number;
  /** `namespace/name`, of a pod's link. */
  readonly pod?: string;
  /** Who speaks there; of an uplink nobody in particular. */
  readonly addresses: readonly Address[];
}

export interface TraceSurroundings {
  readonly links: readonly NamedLink[];
  /** Name of a row of SERVICES. */
  readonly serviceName: (idx: number) => string | undefined;
}

/** As in assembly/engine.ts. */
export const ORDER = [
  'parse',
  'classify',
  'flow-lookup',
  'service',
  'policy',
  'reject',
  'route',
  'masquerade',
  'flow-create',
  'nat',
] as const;
export type Stage = (typeof ORDER)[number];

function formatLink(link: NamedLink | undefined, ifindex: number): string {
  if (!link) return `ifindex ${ifindex}`;
  if (link.kind === 'pod') return `${link.name} of pod ${link.pod ?? '?'}`;
  return link.kind === 'host' ? `${link.name}, the trunk` : `${link.name}, an uplink`;
}

/** Of echoes the identifier is said once: it stands for both ports. */
function formatPair(proto: number, from: ProbeEnd, to: ProbeEnd): string {
  if (proto !== IPPROTO_ICMP && proto !== IPPROTO_ICMPV6) {
    return `${formatEnd(from)} > ${formatEnd(to)}`;
  }
  return `${formatAddress(from.address)} > ${formatAddress(to.address)} id ${from.port}`;
}

function formatTuple(proto: number, from: ProbeEnd, to: ProbeEnd): string {
  return `${PROTOCOL_NAMES[proto] ?? `protocol ${proto}`} ${formatPair(proto, from, to)}`;
}

const FRONTEND_NAMES: Readonly<Record<FrontendKind, string>> = {
  [FrontendKind.NONE]: 'address',
  [FrontendKind.CLUSTER_IP]: 'ClusterIP',
  [FrontendKind.NODE_PORT]: 'node port',
  [FrontendKind.EXTERNAL_IP]: 'external IP',
  [FrontendKind.LOAD_BALANCER]: 'load-balancer address',
};
const ORIGIN_NAMES: Readonly<Record<Origin, string>> = {
  [Origin.OUTSIDE]: 'from outside',
  [Origin.POD]: 'from a pod',
  [Origin.NODE]: 'from the node',
};

interface ServiceTraits {
  readonly isLocalOnly: boolean;
  readonly algorithm: string;
  readonly affinitySec: number;
}

/** What the SERVICES row says about this packet. */
function traitsOf(row: Uint8Array, pkt: Pkt): ServiceTraits {
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
  const flags = view.getUint32(SERVICE_FLAGS_OFF, true);
  const isInternal = pkt.frontend === FrontendKind.CLUSTER_IP;
  const bound = isInternal ? SERVICE_F_INTERNAL_LOCAL : SERVICE_F_EXTERNAL_LOCAL;
  const isLocalOnly = (flags & bound) !== 0 && (isInternal || pkt.origin === Origin.OUTSIDE);
  const slotsAt = isLocalOnly ? SERVICE_LOCAL_MAGLEV_COUNT_OFF : SERVICE_MAGLEV_COUNT_OFF;
  const inTurn = (flags & SERVICE_F_ROUND_ROBIN) !== 0 ? 'round-robin' : 'random';
  return {
    isLocalOnly,
    algorithm: view.getUint32(slotsAt, true) !== 0 ? 'maglev' : inTurn,
    affinitySec: view.getUint32(SERVICE_AFFINITY_SEC_OFF, true),
  };
}

export interface Reading {
  readonly pkt: Pkt;
  readonly traced: Traced;
  readonly around: TraceSurroundings;
}

function sayFlow({ pkt, traced: { met } }: Reading): string {
  if (!met) return 'miss: the first packet of a flow';
  const direction = (met.tally[TALLY_FLAGS_OFF] ?? 0) & TALLY_F_REPLY ? 'reply' : 'original';
  const state = met.tally[TALLY_STATE_OFF] ?? 0;
  const hasState = direction === 'original' && state !== TcpState.NONE;
  const stateText = hasState ? `, ${TcpState[state] ?? ''}` : '';
  const table = pkt.from.address.family === 4 ? 'flows4' : 'flows6';
  return `hit: row ${met.idx} of ${table}, ${direction} direction${stateText}`;
}

export function sayService({ pkt, traced, around }: Reading): string {
  if (pkt.service === undefined) {
    return pkt.rejected ? "the address is a service's, this port is not" : 'not for a service';
  }
  const name = around.serviceName(pkt.service) ?? `row ${pkt.service}`;
  const frontend = `${FRONTEND_NAMES[pkt.frontend]} of ${name}`;
  if (pkt.rejected || !traced.service) return `${frontend}: no backend anywhere`;
  if (pkt.drop === Drop.SOURCE_NOT_IN_RANGE || pkt.drop === Drop.NO_LOCAL_BACKEND) return frontend;
  const { algorithm, affinitySec } = traitsOf(traced.service, pkt);
  const sticky = affinitySec === 0 ? '' : `, or as its client's affinity of ${affinitySec} s says`;
  return `${frontend}: backend ${formatEnd(pkt.newTo)} (${algorithm}${sticky})`;
}

function sayPolicy({ pkt, traced }: Reading): string | undefined {
  if (pkt.service === undefined || !traced.service) return undefined;
  const set = traitsOf(traced.service, pkt).isLocalOnly ? 'this node only' : 'the whole cluster';
  const source = pkt.masquerade ? 'source hidden' : 'source kept';
  return `${ORIGIN_NAMES[pkt.origin]}: endpoints of ${set}, ${source}`;
}

function sayReject({ pkt, traced }: Reading): string | undefined {
  if (!pkt.rejected) return undefined;
  if (traced.verdict !== Verdict.TX) return 'refused in silence';
  const { proto, payload } = readFrame(traced.frame);
  const [type = 0, code = 0] = payload;
  return `refused aloud: ${PROTOCOL_NAMES[proto] ?? ''} type ${type} code ${code} to the sender`;
}

function sayRoute({ pkt, around }: Reading): string {
  const link = around.links.find(({ ifindex }) => ifindex === pkt.outIfindex);
  const what = Action[pkt.action];
  if (pkt.action === Action.HOST) return `${what}: the node's own stack`;
  const macs = pkt.hasMacs ? 'next hop known' : 'the kernel resolves the next hop';
  return `${what} by ${formatLink(link, pkt.outIfindex)}, ${macs}`;
}

function sayMasquerade({ pkt }: Reading): string | undefined {
  const isKept = sameBytes(pkt.newFrom.address.bytes, pkt.from.address.bytes);
  if (isKept && pkt.newFrom.port === pkt.from.port) return undefined;
  return `source becomes ${formatEnd(pkt.newFrom)}`;
}

function sayRows({ pkt }: Reading): string {
  const { proto, from, to, newFrom, newTo } = pkt;
  const there = `${formatTuple(proto, from, to)} becomes ${formatPair(proto, newFrom, newTo)}`;
  const back = `${formatPair(proto, newTo, newFrom)} becomes ${formatPair(proto, to, from)}`;
  return `two rows: ${there}; ${back}`;
}

function sayFrame({ proto, ttl, from, to }: FrameTuple): string {
  return `${formatTuple(proto, from, to)}, TTL ${ttl}`;
}

/** The frame as it would leave: of a flow without a row the host translates, as the row would. */
export function leavingFrame(probe: Probe, { pkt, traced }: Reading): Uint8Array | undefined {
  if (traced.verdict !== Verdict.TX && traced.verdict !== Verdict.PUNT) return undefined;
  const isAnswer = (pkt.flags & PKT_F_ANSWER) !== 0;
  if (traced.met || isAnswer || !pkt.wasServed) return traced.frame;
  const { ttl } = readFrame(traced.frame);
  const frame = buildProbe({ ...probe, from: pkt.newFrom, to: pkt.newTo }, ttl);
  frame.set(traced.frame.subarray(0, 12));
  return frame;
}

/** What each stage found; undefined where it had nothing to do. */
export function findings(
  reading: Reading,
  leaving: Uint8Array | undefined,
): Record<Stage, string | undefined> {
  const { pkt, traced, around } = reading;
  const isNew = pkt.wasServed && !traced.met;
  const inLink = around.links.find(({ ifindex }) => ifindex === pkt.inIfindex);
  const isAnswer = (pkt.flags & PKT_F_ANSWER) !== 0;
  return {
    parse: `${formatTuple(pkt.proto, pkt.from, pkt.to)}, ${pkt.len} bytes`,
    classify: `came by ${formatLink(inLink, pkt.inIfindex)}`,
    'flow-lookup': sayFlow(reading),
    service: isNew ? sayService(reading) : undefined,
    policy: isNew ? sayPolicy(reading) : undefined,
    reject: sayReject(reading),
    route: isAnswer ? undefined : sayRoute(reading),
    masquerade: isNew ? sayMasquerade(reading) : undefined,
    'flow-create': isNew && !isAnswer ? sayRows(reading) : undefined,
    nat: leaving && !isAnswer ? sayFrame(readFrame(leaving)) : undefined,
  };
}
