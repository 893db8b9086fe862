/** What the playground says of bytes, tables and texts, held against others who know. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { decode } from 'dns-packet';
import { Drop } from '../../assembly/abi.js';
import { dnsText } from '../../playground/dns-text.js';
import { changesOf, dissect, isSameShape } from '../../playground/fields.js';
import { ringOf, sharesOf, without } from '../../playground/ring.js';
import { createScene, liveFlows, nodesOf, readCluster } from '../../playground/scene.js';
import type { Scene } from '../../playground/scene.js';
import { dropSentences } from '../../scripts/build-playground.js';
import { coreModule } from '../../src/core/instance.js';
import type { ExplainedService } from '../../src/compile/explain.js';
import { packageFile } from '../../src/package-root.js';
import { readCapture } from '../../src/port/capture.js';
import { paperTable } from '../table/paper-maglev.js';

const EXAMPLE = readFileSync(packageFile('playground/cluster.yaml'), 'utf8');
const SETTINGS = { nodeName: 'alpha', serviceCIDRs: '10.96.0.0/16, fd00:10:96::/112' };

function scene(capture: string, text = EXAMPLE): Scene {
  const events = readCluster(text);
  if ('sentence' in events) throw new Error(events.sentence);
  const bytes = readFileSync(packageFile(`playground/captures/${capture}.pcap`));
  return createScene(coreModule(), events, SETTINGS, [...readCapture(bytes, capture)]);
}

/** Packets as scapy reads them back (test/support/make-wire-vectors.py). */
interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly drop: string;
  readonly [layer: string]: unknown;
}

/** Names of scapy's values among the fields, for each layer. */
const SCAPY: Readonly<Record<string, readonly [string, Readonly<Record<string, string>>]>> = {
  ipv4: ['IPv4', { hlen: 'header length', totalLength: 'total length', ttl: 'TTL' }],
  ipv6: ['IPv6', { payloadLength: 'payload length', hopLimit: 'hop limit' }],
  tcp: [
    'TCP',
    {
      srcPort: 'source port',
      dstPort: 'destination port',
      seq: 'sequence number',
      ack: 'acknowledgement',
    },
  ],
  udp: ['UDP', { srcPort: 'source port', dstPort: 'destination port', length: 'length' }],
  sctp: ['SCTP', { srcPort: 'source port', dstPort: 'destination port' }],
};

test('playground: header fields are what scapy reads', (t) => {
  const file = readFileSync(packageFile('test/wire/vectors.json'), 'utf8');
  const { packets } = JSON.parse(file) as { packets: readonly Vector[] };
  let compared = 0;
  for (const packet of packets.filter(({ drop }) => drop === 'NONE')) {
    const { fields } = dissect(Uint8Array.from(Buffer.from(packet.hex, 'hex')));
    for (const [key, [layer, names]] of Object.entries(SCAPY)) {
      const said = packet[key] as Readonly<Record<string, unknown>> | undefined;
      if (said === undefined) continue;
      for (const [name, field] of Object.entries(names)) {
        const found = fields.find((each) => each.layer === layer && each.name === field);
        if (said[name] === undefined) continue;
        t.is(found?.text, JSON.stringify(said[name]), `${packet.name}: ${layer} ${field}`);
        compared++;
      }
    }
  }
  t.true(compared > 150, String(compared));
});

test('playground: any prefix of a frame is dissected as far as it goes', (t) => {
  for (const capture of ['service', 'malformed', 'dns']) {
    const bytes = readFileSync(packageFile(`playground/captures/${capture}.pcap`));
    for (const frame of readCapture(bytes, capture)) {
      for (let length = 0; length <= Math.min(frame.bytes.length, 120); length++) {
        const { fields } = dissect(frame.bytes.subarray(0, length));
        t.true(fields.every(({ off, len }) => off + len <= length));
      }
    }
  }
});

test('playground: translation shows as the fields it changes, and replies undo it', (t) => {
  const { frames } = scene('service');
  const changed = (number: number): string[] => {
    const frame = frames[number - 1];
    const before = dissect(frame?.captured.bytes ?? new Uint8Array());
    const after = dissect(frame?.played.left.frame ?? new Uint8Array());
    t.true(isSameShape(before, after));
    return changesOf(before, after)
      .filter(({ layer }) => layer !== 'Ethernet')
      .map(({ name, before: was, after: is }) =>
        /checksum/.test(name) ? name : `${name} ${was} ${is}`,
      );
  };
  t.deepEqual(changed(1), [
    'TTL 64 63',
    'header checksum',
    'destination 10.96.0.80 10.244.1.20',
    'destination port 80 8080',
    'checksum',
  ]);
  t.deepEqual(changed(2), [
    'TTL 64 63',
    'header checksum',
    'source 10.244.1.20 10.96.0.80',
    'source port 8080 80',
    'checksum',
  ]);
});

test('playground: flows are those of the capture, with both directions counted', (t) => {
  const flows = liveFlows(scene('service'));
  const web = flows.find(({ from }) => from === '10.244.1.10:40001');
  t.is(web?.translatedTo, '10.244.1.20:8080');
  t.is(web?.state, 'TIME_WAIT');
  t.deepEqual([web?.original.lanePackets, web?.reply.lanePackets], [5, 3]);
});

test('playground: DNS answers read as dns-packet reads them', (t) => {
  for (const { number, played, captured } of scene('dns').frames) {
    if (!played.isNameAnswer) continue;
    const { udpData } = dissect(played.left.frame);
    const said = dnsText(udpData ?? new Uint8Array());
    if (typeof said === 'string' || said.question === '(none)') continue;
    const message = decode(Buffer.from(udpData ?? []));
    const texts = said.records.map(({ text }) => text);
    const { answers = [], authorities = [], additionals = [] } = message;
    t.is(texts.length, answers.length + authorities.length + additionals.length, String(number));
    for (const answer of answers) {
      if (
        answer.type !== 'A' &&
        answer.type !== 'AAAA' &&
        answer.type !== 'CNAME' &&
        answer.type !== 'PTR'
      )
        continue;
      const dot = answer.type === 'A' || answer.type === 'AAAA' ? '' : '.';
      t.true(
        texts.some((text) => text.endsWith(` ${answer.type} ${answer.data}${dot}`)),
        texts.join('; '),
      );
    }
    t.true(captured.bytes.length <= played.left.frame.length);
  }
});

test('playground: the ring is the table in use, the table of the paper, and what the core would build', (t) => {
  const { world, control } = scene('service');
  const services = control.explain().services;
  const web = services.find(({ frontend }) => frontend === '10.96.0.80:80') as ExplainedService;
  const ring = ringOf(world.core, web);
  if (ring === undefined) {
    t.fail('web has no ring');
    return;
  }
  t.true(ring.isUsed);
  // Members take their turns in the order of their identities.
  const order = ring.members.map(({ id }, place) => ({ id, place })).sort((a, b) => a.id - b.id);
  const paper = paperTable(
    order.map(({ id }) => id),
    ring.slots.length,
  );
  t.deepEqual(
    [...ring.slots],
    paper.map((place) => order[place]?.place ?? -1),
  );
  t.is(
    sharesOf(ring).reduce((sum, share) => sum + share, 0),
    ring.slots.length,
  );
  const gone = without(world.core, ring, 1);
  t.false(gone.slots.includes(1));
  t.deepEqual([gone.orphaned], sharesOf(ring).slice(1, 2));
  const named = services.find(({ key }) => key.startsWith('kube-system/kube-dns'));
  t.false(ringOf(world.core, named as ExplainedService)?.isUsed);
});

test('playground: a bad text is one sentence with line and key', (t) => {
  const said = (from: string, to: string): string => {
    const events = readCluster(EXAMPLE.replace(from, to));
    return 'sentence' in events ? events.sentence : 'nothing';
  };
  t.regex(
    said('addressType: IPv4', 'addressType: IPv5'),
    /^Line \d+: EndpointSlice default\/web-4: addressType is "IPv5": expected one of IPv4, IPv6, FQDN\.$/,
  );
  t.regex(
    said('clusterIPs: [10.96.0.30]', 'clusterips: [10.96.0.30]'),
    /^Line \d+: Service default\/empty: spec\.clusterips is .*: unknown field/,
  );
  t.regex(said('kind: Node', 'kind: "Node'), /^Line \d+: document \d+: not YAML: /);
  t.is(said('', ''), 'nothing');
});

test('playground: nodes are those of Node objects, or else of pods', (t) => {
  const nodes = (text: string): string[] => {
    const events = readCluster(text);
    return 'sentence' in events ? [] : nodesOf(events);
  };
  t.deepEqual(nodes(EXAMPLE), ['alpha', 'beta']);
  const pod = 'apiVersion: v1\nkind: Pod\nmetadata: { name: a }\nspec: { nodeName: gamma }\n';
  t.deepEqual(nodes(pod), ['gamma']);
});

test('playground: every drop reason has its sentence', (t) => {
  const sentences = dropSentences(readFileSync(packageFile('docs/troubleshooting.md'), 'utf8'));
  const names = Object.keys(Drop).filter((name) => Number.isNaN(Number(name)) && name !== 'NONE');
  t.deepEqual(
    names.filter((name) => !/^[A-Z0-9].*\.$/.test(sentences[name] ?? '')),
    [],
  );
  t.is(sentences['SHORT_VLAN'], 'An 802.1Q tag is announced but the frame ends before it.');
});
