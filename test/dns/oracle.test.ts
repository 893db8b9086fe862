/**
 * Every query that a real CoreDNS was asked, over the same cluster: the core answers it from the names
 * compiled, and the replies mean the same.
 */
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import { DNS_HOST, DNS_WHY_OFF, DnsWhy } from '../../assembly/abi-dns.js';
import { decode, meaning, namesRig, oracleEvents, oracleLines } from './names-rig.js';
import type { OracleLine } from './names-rig.js';

/** Numbered cases by the names and types they ask for; the first that fits. */
const CASES: readonly (readonly [RegExp, string, string])[] = [
  [/^hdlsbig/, 'A', '[dns 70]'],
  [/^SvC1/, 'A', '[dns 2]'],
  [/^svc1\.testns/, 'A', '[dns 1]'],
  [/^svc1\.testns/, 'AAAA', '[dns 3]'],
  [/^svc1\.testns/, 'SRV', '[dns 4]'],
  [/^svc1\.testns/, 'TXT', '[dns 23]'],
  [/^svc1\.testns/, '*', '[dns 19]'],
  [/^_http\._tcp\.svc1/, 'SRV', '[dns 5]'],
  [/^_http\._tcp\.svc1/, 'A', '[dns 9]'],
  [/^http\.tcp\.svc1/, 'SRV', '[dns 8]'],
  [/^_(http\._udp|bogus\._tcp)\.svc1/, '*', '[dns 7]'],
  [/^svcmulti/, '*', '[dns 10]'],
  [/svcnoname|^__\._tcp/, '*', '[dns 11]'],
  [/^svc-dual-stack/, '*', '[dns 13]'],
  [/^svcempty/, '*', '[dns 14]'],
  [/^svc0\.testns/, '*', '[dns 15]'],
  [/^svc1\.nons/, '*', '[dns 16]'],
  [/^(testns\.svc|svc|pod)\.cluster|^cluster/, 'A', '[dns 17]'],
  [/^cluster/, 'SOA', '[dns 20]'],
  [/^cluster/, 'NS', '[dns 21]'],
  [/^cluster/, '*', '[dns 107]'],
  [/^ns\.dns/, '*', '[dns 21]'],
  [/^(dns|foo|nons)\.|^nons\.svc/, '*', '[dns 18]'],
  [/^dns-version/, '*', '[dns 22]'],
  [/^hdls1\./, 'SRV', '[dns 25]'],
  [/^hdls1\./, '*', '[dns 24]'],
  [/^172-0-0-[23]\.hdls1/, 'A', '[dns 26]'],
  [/^dup-name/, '*', '[dns 27]'],
  [/^5678-abcd/, '*', '[dns 28]'],
  [/^172-0-0-2\.hdls1/, 'AAAA', '[dns 29]'],
  [/^notready/, '*', '[dns 30]'],
  [/^hdls1-pod-a/, '*', '[dns 35]'],
  [/^_http\._tcp\.172/, '*', '[dns 31]'],
  [/^(ep1a|172-0-0-9)\.svc1/, '*', '[dns 32]'],
  [/^hdlsprtls/, '*', '[dns 33]'],
  [/^hdlsempty/, '*', '[dns 34]'],
  [/^external\./, 'A', '[dns 38]'],
  [/^external\./, 'AAAA', '[dns 39]'],
  [/^external\./, 'CNAME', '[dns 40]'],
  [/^(_http\._tcp\.)?external\./, '*', '[dns 42]'],
  [/^external-to-service/, '*', '[dns 43]'],
  [/^external-/, '*', '[dns 44]'],
  [/^(2001-db8--1|--1)\.podns/, '*', '[dns 48]'],
  [/pod(ns)?\.pod|nons\.pod|podns\.pod|^pod\./, '*', '[dns 47]'],
  [/^1\.0\.0\.10\.in-addr/, 'A', '[dns 50]'],
  [/^(1\.0\.0\.10|3\.0.*)\.(in-addr|ip6)/, '*', '[dns 50]'],
  [/^[24]\.0\.0\.172|\.5\.ip6\.arpa|^1\.0\.0\.0.*ip6/, '*', '[dns 51]'],
  [/^(9\.0\.0\.172|0\.10)\.in-addr/, '*', '[dns 53]'],
  [/^a\.b\.c\./, '*', '[dns 31]'],
  [/\*/, '*', '[dns 64]'],
];

interface Exception {
  readonly q: string;
  readonly type: string;
  /** All that may differ, and does. */
  readonly differs: readonly string[];
  readonly reason: string;
}

/** Where the replies differ, and why that is right. */
const EXCEPTIONS: readonly Exception[] = [
  {
    q: 'dns-version.cluster.local',
    type: 'A',
    differs: ['rcode'],
    reason: 'a name that is there for one type is NODATA for the others (spec 3.6, 1.4)',
  },
  {
    q: '1.0.0.10.in-addr.arpa',
    type: 'A',
    differs: ['rcode'],
    reason: 'a name that is there for one type is NODATA for the others (spec 3.6)',
  },
  {
    q: 'svc1.testns.svc.cluster.local',
    type: 'ANY',
    differs: ['answers', 'authorities'],
    reason: 'ANY is answered by one HINFO record (spec 3.12, RFC 8482)',
  },
  {
    q: 'hdls1.testns.svc.cluster.local',
    type: 'SRV',
    differs: ['flag_tc'],
    reason: 'compressed, the records fit; glue that does not is left out without TC (spec 3.5)',
  },
];

function tagOf({ q, type }: OracleLine): string {
  const found = CASES.find(([name, t]) => name.test(q) && (t === '*' || t === type));
  return found?.[2] ?? '';
}

/** Parts of two meanings that are not the same. */
function differences(ours: object, theirs: object): string[] {
  const [a, b] = [Object.entries(ours), Object.entries(theirs)];
  return a.flatMap(([key, value], i) => (isDeepStrictEqual(value, b[i]?.[1]) ? [] : [key]));
}

const rig = namesRig({ options: { pods: 'insecure' } });
rig.apply(...oracleEvents());

const isExternal = ({ q, type }: OracleLine): boolean =>
  q.startsWith('external.') && (type === 'A' || type === 'AAAA');

for (const [i, line] of oracleLines().entries()) {
  const { q, type, note } = line;
  const title = `oracle: line ${i + 1}, ${q} ${type}${note === '' ? '' : ` (${note})`} ${tagOf(line)}`;
  test(title, (t) => {
    const message = Buffer.from(line.query, 'hex');
    const { result, reply } = rig.ask(message);
    if (isExternal(line)) {
      t.is(result, DNS_HOST);
      t.is(rig.core.record32(DNS_WHY_OFF), DnsWhy.CNAME_OUTSIDE);
      return;
    }
    t.true(result > 0, `the core said ${result}`);
    const ours = meaning(decode(reply));
    const theirs = meaning(decode(Buffer.from(line.reply, 'hex')));
    const exception = EXCEPTIONS.find((each) => each.q === q && each.type === type);
    if (exception === undefined) t.deepEqual(ours, theirs);
    else {
      t.deepEqual(differences(ours, theirs), exception.differs, 'the exception says what differs');
      t.log(`differs in ${exception.differs.join(' and ')}: ${exception.reason}`);
    }
  });
}

test('oracle: every exception is for a line that was asked', (t) => {
  const lines = oracleLines();
  for (const { q, type } of EXCEPTIONS) {
    t.true(
      lines.some((line) => line.q === q && line.type === type),
      `${q} ${type}`,
    );
  }
});
