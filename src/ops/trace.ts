/**
 * `sluice trace`: what every stage of the engine would decide about a packet. The core decides
 * (src/core/trace.ts); here its findings are put in the order of assembly/engine.ts.
 */
import { Drop, Verdict } from '../../assembly/abi.js';
import { formatAddress, sameBytes } from '../addr.js';
import type { Address } from '../addr.js';
import type { Traced } from '../core/trace.js';
import { DataplaneError } from '../errors.js';
import { readPkt } from './pkt.js';
import type { Pkt } from './pkt.js';
import { formatEnd } from './probe-frame.js';
import type { Probe } from './probe-frame.js';
import { ORDER, findings, leavingFrame, sayService } from './trace-words.js';
import type { NamedLink, Reading, Stage, TraceSurroundings } from './trace-words.js';

export interface TraceLine {
  /** As in assembly/stage. */
  readonly stage: string;
  readonly decision: string;
}

export interface TraceReport {
  readonly packet: string;
  readonly verdict: string;
  /** Why it is dropped. */
  readonly drop?: string;
  readonly stages: readonly TraceLine[];
  /** As it would leave, hexadecimal. */
  readonly frame?: string;
}

const LOOPBACK_FIRST = 127;

function isLoopback({ family, bytes }: Address): boolean {
  if (family === 4) return bytes[12] === LOOPBACK_FIRST;
  return bytes.every((byte, i) => byte === (i === 15 ? 1 : 0));
}

/**
 * The link a packet of this source comes in by: a pod's own, the trunk for the node itself, else the
 * first uplink.
 *
 * @param name  the one that is asked for, whatever the source
 * @throws DataplaneError ERR_USAGE when there is none
 */
export function ingressOf(
  links: readonly NamedLink[],
  source: Address,
  name: string | undefined,
): NamedLink {
  const host = links.find(({ kind }) => kind === 'host');
  const speaks = (link: NamedLink): boolean =>
    link.addresses.some(({ bytes }) => sameBytes(bytes, source.bytes));
  const found =
    name === undefined
      ? (links.find(speaks) ??
        (isLoopback(source) ? host : links.find(({ kind }) => kind === 'uplink')))
      : links.find((link) => link.name === name);
  if (found) return found;
  const what = name === undefined ? `no uplink for packets from ${formatAddress(source)}` : name;
  const names = links.map((link) => link.name).join(', ');
  throw new DataplaneError('ERR_USAGE', `--in: ${what}: expected one of ${names || '(no links)'}`);
}

/** Where each reason belongs; what is not here is the parser's. */
const DROP_STAGE: Partial<Record<Drop, string>> = {
  [Drop.UNKNOWN_LINK]: 'classify',
  [Drop.SPOOFED_SOURCE]: 'classify',
  [Drop.MARTIAN_SOURCE]: 'classify',
  [Drop.MARTIAN_DESTINATION]: 'classify',
  [Drop.MULTICAST]: 'classify',
  [Drop.DNS_NOT_A_QUERY]: 'dns',
  [Drop.FRAGMENT_OF_SERVICE]: 'service',
  [Drop.SOURCE_NOT_IN_RANGE]: 'service',
  [Drop.NO_LOCAL_BACKEND]: 'service',
  [Drop.NO_BACKEND]: 'reject',
  [Drop.SERVICE_PORT_UNKNOWN]: 'reject',
  [Drop.ERROR_NOT_ANSWERED]: 'reject',
  [Drop.NO_ROUTE]: 'route',
  [Drop.SERVICE_ADDRESS_UNKNOWN]: 'route',
  [Drop.NO_NODE_ADDRESS]: 'masquerade',
  [Drop.MASQUERADE_PROTOCOL]: 'masquerade',
  [Drop.FLOW_TABLE_FULL]: 'flow-create',
  [Drop.NO_FREE_PORT]: 'flow-create',
  [Drop.PACKET_TOO_BIG]: 'nat',
  [Drop.TTL_EXCEEDED]: 'nat',
};

function dropStage(pkt: Pkt): string {
  if (pkt.drop === Drop.TCP_INVALID_STATE || pkt.drop === Drop.SCTP_INVALID_STATE) {
    return pkt.wasServed ? 'flow-create' : 'flow-lookup';
  }
  return DROP_STAGE[pkt.drop] ?? 'parse';
}

/**
 * The lines down to the stage that ended the packet's way.
 *
 * @param leaving  the frame as it leaves, an IP packet without options or extension headers;
 *                 undefined: it does not, or is none
 */
export function stageLines(reading: Reading, leaving: Uint8Array | undefined): TraceLine[] {
  const { pkt, traced } = reading;
  const found: Record<Stage, string | undefined> = findings(reading, leaving);
  const last = traced.verdict === Verdict.DROP ? dropStage(pkt) : undefined;
  const end = last === undefined ? ORDER.length : ORDER.findIndex((stage) => stage === last);
  const lines = ORDER.slice(0, end).flatMap((stage): TraceLine[] => {
    const decision = found[stage];
    return decision === undefined ? [] : [{ stage, decision }];
  });
  if (last === undefined) return lines;
  const name = Drop[pkt.drop];
  const context = last === 'service' ? `${sayService(reading)}: ` : '';
  const decision = `${context}dropped: ${name} (docs/troubleshooting.md#${name.toLowerCase()})`;
  return [...lines, { stage: last, decision }];
}

export function explainTrace(probe: Probe, traced: Traced, around: TraceSurroundings): TraceReport {
  const reading: Reading = { pkt: readPkt(traced.pkt), traced, around };
  const leaving = leavingFrame(probe, reading);
  return {
    packet: `${probe.protocol} ${formatEnd(probe.from)} > ${formatEnd(probe.to)}`,
    verdict: Verdict[traced.verdict],
    ...(traced.verdict === Verdict.DROP ? { drop: Drop[reading.pkt.drop] } : {}),
    stages: stageLines(reading, leaving),
    ...(leaving ? { frame: Buffer.from(leaving).toString('hex') } : {}),
  };
}

/** One line a stage, the verdict last. */
export function formatTrace({ packet, verdict, drop, stages }: TraceReport): string {
  const width = Math.max(...ORDER.map((stage) => stage.length));
  const line = (head: string, text: string): string => `${head.padEnd(width)}  ${text}`;
  return [
    line('packet', packet),
    ...stages.map(({ stage, decision }) => line(stage, decision)),
    line('verdict', drop === undefined ? verdict : `${verdict} ${drop}`),
  ].join('\n');
}
