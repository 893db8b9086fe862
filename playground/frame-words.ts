/** What became of a frame, in the words of a row of the table. */
import { Action, Drop, Verdict } from '../assembly/abi.js';
import { formatAddress } from '../src/addr.js';
import { PROTOCOL_NAMES, readPkt } from '../src/ops/pkt.js';
import type { Pkt } from '../src/ops/pkt.js';
import { formatEnd } from '../src/ops/probe-frame.js';
import type { World } from '../src/replay/world.js';
import { changesOf, dissect, isSameShape } from './fields.js';
import type { Change } from './fields.js';
import type { PlayedFrame } from './scene.js';

export interface FrameWords {
  readonly number: number;
  /** Seconds since the first frame. */
  readonly time: string;
  readonly from: string;
  readonly to: string;
  readonly protocol: string;
  /** Name of the Verdict. */
  readonly verdict: string;
  /** Name of the Drop, or where it goes. */
  readonly way: string;
  /** Of a dropped frame nothing. */
  readonly changed: string;
}

const NS_PER_US = 1000n;
const US_PER_SEC = 1e6;

export function wayOf({ links }: World, pkt: Pkt): string {
  const link = links.find(({ ifindex }) => ifindex === pkt.outIfindex);
  const what = Action[pkt.action];
  return pkt.action === Action.POD && link?.pod !== undefined ? `${what} ${link.pod}` : what;
}

/** Where sender and receiver stand in a frame that the core has refused: the innermost wins. */
const ENDS = [
  ['IPv4', 'source', 'destination'],
  ['IPv6', 'source', 'destination'],
  ['ARP', 'sender address', 'target address'],
  ['Ethernet', 'source', 'destination'],
] as const;

/** Sender, receiver and protocol as far as the bytes go. */
function endsOfBytes(bytes: Uint8Array): Pick<FrameWords, 'from' | 'to' | 'protocol'> {
  const { fields } = dissect(bytes);
  const text = (layer: string, name: string): string | undefined =>
    fields.find((field) => field.layer === layer && field.name === name)?.text;
  const layer = ENDS.find(([name, , to]) => text(name, to) !== undefined);
  if (layer === undefined) return { from: '-', to: '-', protocol: '-' };
  const [protocol, from, to] = layer;
  return { from: text(protocol, from) ?? '-', to: text(protocol, to) ?? '-', protocol };
}

/** Sender, receiver and protocol as the core has parsed them. */
function endsOf(pkt: Pkt, bytes: Uint8Array): Pick<FrameWords, 'from' | 'to' | 'protocol'> {
  if (pkt.from.address.bytes.every((byte) => byte === 0)) return endsOfBytes(bytes);
  const hasPorts = pkt.from.port !== 0 || pkt.to.port !== 0;
  const isEcho = PROTOCOL_NAMES[pkt.proto]?.startsWith('ICMP') === true;
  const shown =
    hasPorts && !isEcho ? formatEnd : ({ address }: Pkt['from']) => formatAddress(address);
  return {
    from: shown(pkt.from),
    to: shown(pkt.to),
    protocol: PROTOCOL_NAMES[pkt.proto] ?? `protocol ${pkt.proto}`,
  };
}

/** Addresses and ports that differ: what translation is. */
function translations(changes: readonly Change[]): string[] {
  const value = (name: string, side: 'before' | 'after'): string | undefined =>
    changes.find((change) => change.name === name && change.layer !== 'Ethernet')?.[side];
  return ['source', 'destination'].flatMap((side) => {
    const address = value(side, 'after');
    const port = value(`${side} port`, 'after');
    const short = side === 'source' ? 'from' : 'to';
    if (address === undefined && port === undefined) return [];
    return [`${short} ${address ?? ''}${port === undefined ? '' : `:${port}`}`];
  });
}

function changedOf(frame: PlayedFrame, pkt: Pkt): string {
  const { left, isNameAnswer } = frame.played;
  if (left.verdict === Verdict.DROP) return '';
  if (isNameAnswer) return 'answered: DNS';
  const before = dissect(frame.captured.bytes);
  const after = dissect(left.frame);
  if (pkt.rejected || !isSameShape(before, after)) return 'answered';
  const changes = changesOf(before, after);
  const said = translations(changes);
  if (said.length > 0) return said.join(', ');
  return changes.map(({ name }) => name).join(', ');
}

export function frameWords(world: World, frame: PlayedFrame, startNs: bigint): FrameWords {
  const pkt = readPkt(frame.played.left.pkt);
  const { verdict } = frame.played.left;
  const us = (frame.captured.timeNs - startNs) / NS_PER_US;
  return {
    number: frame.number,
    time: (Number(us) / US_PER_SEC).toFixed(3),
    ...endsOf(pkt, frame.captured.bytes),
    verdict: Verdict[verdict],
    way: verdict === Verdict.DROP ? Drop[pkt.drop] : wayOf(world, pkt),
    changed: changedOf(frame, pkt),
  };
}
