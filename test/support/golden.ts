/**
 * Golden cases: a Markdown file whose headings are claims. Under each, after a paragraph of why,
 * stand fenced blocks:
 *
 *   tables  one line a Service: `web 10.96.0.10:80/TCP -> 10.244.1.3:8080 10.244.2.7:8080`
 *   in      one line a frame, in the order they come:
 *           `pod-a tcp 10.244.1.2:40000 > 10.96.0.10:80 S`, `pod-a udp ... "text"`,
 *           `pod-a arp 169.254.1.1 from 10.244.1.2`, `pod-a ns fe80::1 from fd00:...`,
 *           `pod-a icmp 10.244.1.2 > 10.244.1.3 id 7`; `ttl 1` may follow any of the three
 *   out     what became of each: the verdict, and the frame in hex, a header a line
 *
 * The test compares `out`; UPDATE=1 writes it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Action, Drop, Verdict } from '../../assembly/abi.js';
import { put, ready, service, slice } from '../model/objects.js';
import { type Decided, type Engine, IF, MAC, openEngine } from './engine.js';
import { type Transport, arp, hexOf, packet, see, seeArp, solicit } from './frames.js';

export interface GoldenCase {
  readonly claim: string;
  /** Contents of the fenced blocks. */
  readonly tables: string;
  readonly in: string;
  readonly out: string;
}

const LINKS: Readonly<Record<string, { ifindex: number; mac: string }>> = {
  'pod-a': { ifindex: IF.POD_A, mac: MAC.POD_A },
  'pod-b': { ifindex: IF.POD_B, mac: MAC.POD_B },
  host: { ifindex: IF.TRUNK, mac: MAC.TRUNK },
  uplink: { ifindex: IF.UPLINK, mac: MAC.UPLINK },
};

const fence = (name: string): RegExp => new RegExp(`^\`\`\`${name}\\n([\\s\\S]*?)^\`\`\`$`, 'm');

/** The sections of a file that have an `in` block. */
export function readGolden(file: string): GoldenCase[] {
  return sections(readFileSync(file, 'utf8')).flatMap((section) => {
    const block = (name: string): string => fence(name).exec(section)?.[1] ?? '';
    const claim = /^## (.*)$/m.exec(section)?.[1];
    if (claim === undefined) return [];
    return [{ claim, tables: block('tables'), in: block('in'), out: block('out') }];
  });
}

function sections(text: string): string[] {
  return text.split(/^(?=## )/m);
}

/** Put new `out` blocks into a file, by claim. */
export function updateGolden(file: string, outs: ReadonlyMap<string, string>): void {
  const updated = sections(readFileSync(file, 'utf8')).map((section) => {
    const out = outs.get(/^## (.*)$/m.exec(section)?.[1] ?? '');
    return out === undefined
      ? section
      : section.replace(fence('out'), () => `\`\`\`out\n${out}\`\`\``);
  });
  writeFileSync(file, updated.join(''));
}

/** Play a case. @returns its `out` block */
export function playGolden({ tables, in: frames }: GoldenCase): string {
  const engine = openEngine();
  for (const line of lines(tables)) applyService(engine, line);
  return lines(frames)
    .map((line) => {
      const { ifindex, frame } = buildFrame(line);
      return `${line}\n${describe(engine.send(ifindex, frame))}`;
    })
    .join('\n');
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line.trim() !== '');

function applyService(engine: Engine, line: string): void {
  const match = /^(\S+) (\S+):(\d+)\/(TCP|UDP) ->(.*)$/.exec(line);
  if (match === null) throw new Error(`not a service: ${line}`);
  const [, name = '', clusterIP = '', port = '', protocol = '', targets = ''] = match;
  const backends = targets
    .trim()
    .split(/\s+/)
    .filter((target) => target !== '');
  const target = Number(/:(\d+)$/.exec(backends[0] ?? '')?.[1] ?? port);
  const endpoints = backends.map((backend) => ready(backend.replace(/:\d+$/, '')));
  engine.apply(
    put(
      'Service',
      service(name, { clusterIP, ports: [{ name: 'p', port: Number(port), protocol }] }),
    ),
    put(
      'EndpointSlice',
      slice(`${name}-1`, name, endpoints, [{ name: 'p', port: target, protocol }]),
    ),
  );
}

function buildFrame(line: string): { ifindex: number; frame: Uint8Array } {
  const [from = '', what = '', ...rest] = line.split(' ');
  const link = LINKS[from];
  if (link === undefined) throw new Error(`no such link: ${line}`);
  const { ifindex, mac: srcMac } = link;
  const text = rest.join(' ');
  const [, target = '', asker = ''] = /^(\S+) from (\S+)$/.exec(text) ?? [];
  if (what === 'arp') return { ifindex, frame: arp({ srcMac, sender: asker, target }) };
  if (what === 'ns') return { ifindex, frame: solicit({ srcMac, src: asker, target }) };
  const match =
    /^(\S+?)(?::(\d+))? > (\S+?)(?::(\d+))?(?: ([FSRPAU]+))?(?: id (\d+))?(?: ttl (\d+))?(?: "(.*)")?$/.exec(
      text,
    );
  if (match === null) throw new Error(`not a frame: ${line}`);
  const [, src = '', sport, dst = '', dport, flags, id, ttl, payload = ''] = match;
  const frame = packet({
    proto: what.replace('pong', 'icmp') as Transport,
    src,
    dst,
    srcMac,
    payload,
    isReply: what === 'pong',
    ...(sport === undefined ? {} : { sport: Number(sport) }),
    ...(dport === undefined ? {} : { dport: Number(dport) }),
    ...(flags === undefined ? {} : { flags }),
    ...(id === undefined ? {} : { id: Number(id) }),
    ...(ttl === undefined ? {} : { ttl: Number(ttl) }),
  });
  return { ifindex, frame };
}

const linkName = (ifindex: number): string =>
  Object.entries(LINKS).find(([, link]) => link.ifindex === ifindex)?.[0] ?? 'nowhere';

function describe({ verdict, drop, action, outIfindex, frame }: Decided): string {
  if (verdict === Verdict.DROP) return `  DROP ${Drop[drop]}\n`;
  const way = action === Action.HOST ? 'HOST' : `${Action[action]} ${linkName(outIfindex)}`;
  return `  ${Verdict[verdict]} ${way}\n${annotate(frame)}`;
}

/** The frame in hex, a header a line, with what a reader sees in it. */
function annotate(frame: Uint8Array): string {
  const seen = see(frame);
  const l3 = seen.vlan === undefined ? 14 : 18;
  const row = (from: number, to: number, note: string): string =>
    `  ${hexOf(frame.subarray(from, to))}  ${note}\n`;
  const eth = row(0, l3, `${seen.srcMac} > ${seen.dstMac}`);
  if (seen.src === undefined) {
    const { op, sender, senderMac, target } = seeArp(frame);
    return `${eth}${row(l3, frame.length, `op ${op}: ${sender} is at ${senderMac}, to ${target}`)}`;
  }
  const l4 = l3 + (seen.etherType === 0x0800 ? 20 : 40);
  const ends = `${seen.src} > ${seen.dst ?? ''} ttl ${seen.ttl ?? 0}`;
  const sums = seen.isSound ? 'checksums right' : 'CHECKSUM WRONG';
  const ports = `${seen.sport ?? ''} > ${seen.dport ?? ''} ${seen.flags ?? ''}`.trimEnd();
  const upper = seen.sport === undefined ? `type ${seen.type ?? 0} id ${seen.id ?? 0}` : ports;
  return `${eth}${row(l3, l4, ends)}${row(l4, frame.length, `${upper}, ${sums}`)}`;
}
