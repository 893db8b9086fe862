/** Everything about one frame: the stages, the flow row, DNS, its fields and bytes before and after. */
import { Drop, TALLY_FLAGS_OFF, TALLY_F_REPLY, Verdict } from '../assembly/abi.js';
import { readPkt } from '../src/ops/pkt.js';
import { stageLines } from '../src/ops/trace.js';
import type { TraceLine } from '../src/ops/trace.js';
import type { Explanation } from '../src/compile/explain.js';
import { dnsText } from './dns-text.js';
import { el, table } from './dom.js';
import type { Child } from './dom.js';
import { ETH_IPV4, ETH_IPV6, dissect, isSameShape } from './fields.js';
import type { Dissected } from './fields.js';
import type { PlayedFrame, Scene } from './scene.js';

const BYTES_A_LINE = 16;
const DNS_PORT = '53';

/** Readable by src/ops/pkt.ts: an IP packet without tag, options or extension headers. */
function isPlain(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 14) return false;
  const type = view.getUint16(12);
  if (type === ETH_IPV4) return bytes.length >= 42 && view.getUint8(14) === 0x45;
  return type === ETH_IPV6 && bytes.length >= 62;
}

function stagesOf(scene: Scene, frame: PlayedFrame, explained: Explanation): TraceLine[] {
  const { left, isFirst, isNameAnswer } = frame.played;
  const serviceName = (idx: number): string | undefined =>
    explained.services.find((service) => service.idx === idx)?.key;
  const pkt = readPkt(left.pkt);
  if (pkt.from.address.bytes.every((byte) => byte === 0)) {
    const said = left.verdict === Verdict.DROP ? `dropped: ${Drop[pkt.drop]}` : 'no IP packet';
    return [{ stage: 'parse', decision: said }];
  }
  const { links } = scene.world;
  const traced = isFirst ? { ...left, met: undefined } : left;
  const leaving = left.verdict !== Verdict.DROP && isPlain(left.frame) ? left.frame : undefined;
  // An answer may be longer than the frame it lies in.
  const parsed = { ...pkt, len: frame.captured.bytes.length };
  const lines = stageLines({ pkt: parsed, traced, around: { links, serviceName } }, leaving);
  if (!isNameAnswer) return lines;
  const asked = lines.filter(({ stage }) => stage === 'parse' || stage === 'classify');
  return [...asked, { stage: 'dns', decision: 'answered from the names, in the frame it came in' }];
}

function rowText({ played: { left, isFirst } }: PlayedFrame): string | undefined {
  if (!left.met) return undefined;
  const family = left.met.row.length === 64 ? 4 : 6;
  const isReply = ((left.met.tally[TALLY_FLAGS_OFF] ?? 0) & TALLY_F_REPLY) !== 0;
  const direction = isReply ? 'reply' : 'original';
  const row = `row ${left.met.idx} of flows${family}`;
  if (isFirst) return `It made two rows; ${row} is that of the ${direction} direction.`;
  return `It met ${row}, that of the ${direction} direction.`;
}

/** Bytes as hexadecimal, 16 a line; those that differ from another frame's are marked. */
function hexDump(name: string, bytes: Uint8Array, other: Uint8Array | undefined): HTMLElement {
  const lines: Child[] = [];
  for (let at = 0; at < bytes.length; at += BYTES_A_LINE) {
    lines.push(`${at.toString(16).padStart(4, '0')} `);
    for (let i = at; i < Math.min(at + BYTES_A_LINE, bytes.length); i++) {
      const text = (bytes[i] ?? 0).toString(16).padStart(2, '0');
      const gap = i % 8 === 0 ? '  ' : ' ';
      const isChanged = other !== undefined && bytes[i] !== other[i];
      lines.push(gap, isChanged ? el('mark', {}, text) : text);
    }
    lines.push('\n');
  }
  return el('pre', { class: 'hex', tabindex: 0, role: 'region', 'aria-label': name }, ...lines);
}

/** @param after  of the same shape */
function fieldRows(before: Dissected, after: Dissected | undefined): (readonly Child[])[] {
  if (after === undefined) return before.fields.map(({ layer, name, text }) => [layer, name, text]);
  return before.fields.map(({ layer, name, text }, i) => {
    const other = after.fields[i]?.text;
    const left = other === undefined || other === text ? '' : el('mark', {}, other);
    return [layer, name, text, left];
  });
}

function fieldsView(before: Dissected, after: Dissected | undefined): Child[] {
  const answered = after !== undefined && !isSameShape(before, after);
  const columns = ['Layer', 'Field', 'As it came', ...(after && !answered ? ['As it leaves'] : [])];
  const first = table('Header fields', columns, fieldRows(before, answered ? undefined : after));
  if (!answered) return [first];
  const rows = after.fields.map(({ layer, name, text }) => [layer, name, text]);
  return [
    first,
    el('h3', {}, 'The answer that leaves'),
    table('Fields of the answer', ['Layer', 'Field', 'Value'], rows),
  ];
}

function dnsView(title: string, data: Uint8Array | undefined): Child {
  if (data === undefined) return undefined;
  const said = dnsText(data);
  if (typeof said === 'string') return el('p', {}, `${title}: no sound message: ${said}.`);
  const records = said.records.map(({ section, text }) =>
    el('li', {}, `${section}: `, el('code', {}, text)),
  );
  return el(
    'div',
    {},
    el('p', {}, `${title}: ${said.head}. `, el('code', {}, said.question)),
    records.length > 0 ? el('ul', {}, ...records) : undefined,
  );
}

function isDns({ fields, udpData }: Dissected): boolean {
  const isPort = fields.some(
    ({ name, text }) => /^(source|destination) port$/.test(name) && text === DNS_PORT,
  );
  return udpData !== undefined && isPort;
}

function dnsSection(before: Dissected, after: Dissected | undefined): Child {
  if (!isDns(before)) return undefined;
  const wasAnswered = after !== undefined && isDns(after) && after.udpData !== undefined;
  const isSame = wasAnswered && before.udpData?.join() === after.udpData.join();
  return el(
    'div',
    { class: 'dns' },
    el('h3', {}, 'DNS'),
    dnsView('Came', before.udpData),
    wasAnswered && !isSame ? dnsView('Leaves', after.udpData) : undefined,
  );
}

function stageList(lines: readonly TraceLine[]): HTMLElement {
  const items = lines.flatMap(({ stage, decision }) => [
    el('dt', {}, stage),
    el('dd', {}, decision),
  ]);
  return el('dl', { class: 'stages' }, ...items);
}

function dropNote(
  pkt: { readonly drop: Drop },
  sentences: Readonly<Record<string, string>>,
): Child {
  const name = Drop[pkt.drop];
  return el('p', { class: 'drop-note' }, el('code', {}, name), ` ${sentences[name] ?? ''}`);
}

export interface FrameParts {
  readonly scene: Scene;
  readonly frame: PlayedFrame;
  readonly explained: Explanation;
  /** What each Drop means. */
  readonly sentences: Readonly<Record<string, string>>;
}

export function frameView({ scene, frame, explained, sentences }: FrameParts): HTMLElement {
  const { left } = frame.played;
  const { bytes, wireLen } = frame.captured;
  const pkt = readPkt(left.pkt);
  const isDrop = left.verdict === Verdict.DROP;
  const before = dissect(bytes);
  const after = isDrop ? undefined : dissect(left.frame);
  const row = rowText(frame);
  const cut = wireLen > bytes.length ? ` The capture has ${bytes.length} of ${wireLen} bytes.` : '';
  return el(
    'div',
    { class: 'frame-view' },
    el(
      'div',
      { class: 'half' },
      el('h3', {}, 'What each stage decided'),
      stageList(stagesOf(scene, frame, explained)),
      isDrop ? dropNote(pkt, sentences) : undefined,
      row === undefined ? undefined : el('p', {}, row),
      cut === '' ? undefined : el('p', {}, cut),
      dnsSection(before, after),
      el('h3', {}, `Bytes as it came, ${bytes.length}`),
      hexDump('bytes as the frame came', bytes, isDrop ? undefined : left.frame),
      isDrop ? undefined : el('h3', {}, `Bytes as it leaves, ${left.frame.length}`),
      isDrop ? undefined : hexDump('bytes as the frame leaves', left.frame, bytes),
    ),
    el('div', { class: 'half' }, el('h3', {}, 'Header fields'), ...fieldsView(before, after)),
  );
}
