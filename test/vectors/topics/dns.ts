/** Queries that a real CoreDNS was asked over the same cluster, malformed ones, and the wire cache. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DNS_F_TCP, DNS_HOST } from '../../../assembly/abi-dns.js';
import { SCRATCH_BASE } from '../../../assembly/abi.js';
import { decode, meaning, namesRig, oracleEvents, oracleLines } from '../../dns/names-rig.js';
import { query } from '../../dns/core/zone.js';
import { expectSame } from '../frames.js';
import type { Topic } from '../frames.js';
import { createRecorder } from '../recorder.js';
import type { Recorder } from '../recorder.js';

const MESSAGE = SCRATCH_BASE;
const NOW_MS = 1000;
/** Of a UDP message (RFC 6891 6.2.5), and more than any reply by TCP here. */
const ROOM = 8192;
const FIXTURES = join(import.meta.dirname, '../../dns/fixtures');
/** Where we mean to differ; test/dns/oracle.test.ts says why. */
const DIFFERS = new Set([
  'dns-version.cluster.local A',
  '1.0.0.10.in-addr.arpa A',
  'svc1.testns.svc.cluster.local ANY',
  'hdls1.testns.svc.cluster.local SRV',
]);
const ORACLE_MAX = 120;

/** The names of the oracle's cluster in a core that records. */
function zoneRecorder(): Recorder {
  const rec = createRecorder();
  const rig = namesRig({ core: rec.core, options: { pods: 'insecure' } });
  rig.apply(...oracleEvents());
  return rec;
}

/** @returns what `dnsAnswer` says, and the reply */
function ask(rec: Recorder, message: Uint8Array, flags = 0) {
  rec.write(MESSAGE, message);
  const result = rec.core.exports.dnsAnswer(1, MESSAGE, message.length, ROOM, flags, NOW_MS);
  if (result > 0) rec.read(MESSAGE, result);
  return { result, reply: rec.core.view.slice(MESSAGE, MESSAGE + Math.max(result, 0)) };
}

const caseName = (text: string): string => text.replaceAll(/[^\w.*-]+/g, '-').replace(/-$/, '');

export const dns: Topic = {
  name: 'dns',
  record: () => {
    const rec = zoneRecorder();
    const seen = new Set<string>();
    for (const { q, type, note, query: asked, reply } of oracleLines().slice(0, ORACLE_MAX)) {
      const name = caseName(`${type}-${q}${note === '' ? '' : `-${note}`}`);
      if (DIFFERS.has(`${q} ${type}`) || seen.has(name)) continue;
      seen.add(name);
      rec.add(name, `${q} ${type}, answered as CoreDNS does`, () => {
        const { result, reply: ours } = ask(rec, Buffer.from(asked, 'hex'));
        if (result === DNS_HOST) return;
        expectSame(name, meaning(decode(ours)), meaning(decode(Buffer.from(reply, 'hex'))));
      });
    }
    const big = 'hdlsbig.testns.svc.cluster.local';
    for (const [name, edns, flags] of [
      ['truncated-512', undefined, 0],
      ['edns-1232', 1232, 0],
      ['edns-4096', 4096, 0],
      ['tcp', undefined, DNS_F_TCP],
    ] as const) {
      rec.add(`size-${name}`, `${big}: TC where the records do not fit (RFC 1035 4.2.1)`, () => {
        const message = query(big, edns === undefined ? {} : { edns });
        const { result, reply } = ask(rec, message, flags);
        const most = flags === 0 ? Math.max(512, Math.min(edns ?? 512, 4096)) : ROOM;
        expectSame('it fits', result > 0 && result <= most, true);
        expectSame('id', decode(reply).id, 0x1234);
      });
    }
    return rec.file(
      'dns',
      'dnsAnswer(listener, msg, len, room, flags, nowMs): the length of the reply, 0 to drop, -1 (4294967295) for the host',
    );
  },
};

export const malformed: Topic = {
  name: 'dns-malformed',
  record: () => {
    const rec = zoneRecorder();
    const lines = readFileSync(join(FIXTURES, 'malformed.tsv'), 'utf8').trimEnd().split('\n');
    const seen = new Map<string, number>();
    for (const [label = '', hex = ''] of lines.map((line) => line.split('\t'))) {
      if (!/^(?:[\da-f]{2})*$/.test(hex)) continue;
      const base = caseName(label);
      const times = (seen.get(base) ?? 0) + 1;
      seen.set(base, times);
      const name = times === 1 ? base : `${base}-${String(times)}`;
      rec.add(name, label, () => {
        const message = Buffer.from(hex, 'hex');
        const { result, reply } = ask(rec, message);
        if (result <= 0) return;
        expectSame('ID', reply.subarray(0, 2).join(), message.subarray(0, 2).join());
        expectSame('QR', ((reply[2] ?? 0) & 0x80) !== 0, true);
      });
    }
    return rec.file('dns-malformed', 'dnsAnswer: queries that a parser may fall over');
  },
};
