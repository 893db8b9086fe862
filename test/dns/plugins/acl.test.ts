import test from 'ava';
import { setUpAcl } from '../../../src/dns/plugins/acl.js';
import { ask, claimed, contextOf, setUp, told, upstream } from './harness.js';
import type { Asked } from './harness.js';

const RCODES: Readonly<Record<string, string>> = { REFUSED: 'block', NOERROR: 'filter' };

async function verdict(rules: string, asked: Asked): Promise<string> {
  const plugin = setUp(setUpAcl, rules);
  const reply = await plugin.handle(ask({ edns: [], ...asked }), upstream(() => ({})).next);
  if (reply.plugin === 'upstream') return 'allow';
  if (reply.message.length === 0) return 'drop';
  const { rcode, options, answer } = told(reply);
  if (answer.length > 0) throw new Error('a refusal has an answer');
  return `${RCODES[rcode] ?? rcode} ${options.map(({ data }) => data.readUInt16BE(0)).join()}`;
}

/** Rules and cases of CoreDNS's acl_test.go, with documentation addresses. */
const CASES: readonly (readonly [string, Asked, string])[] = [
  [
    'acl example.org {\nblock type A net 192.168.0.0/16\n}',
    { name: 'www.example.org', client: '192.168.0.2' },
    'block 15',
  ],
  [
    'acl example.org {\nblock type A net 192.168.0.0/16\n}',
    { name: 'www.example.org', client: '192.167.0.2' },
    'allow',
  ],
  [
    'acl example.org {\nblock type A net 192.168.0.0/16\n}',
    { name: 'www.example.org', type: 'AAAA', client: '192.168.0.2' },
    'allow',
  ],
  [
    'acl example.org {\nblock type A net 192.168.0.0/16\n}',
    { name: 'www.example.com', client: '192.168.0.2' },
    'allow',
  ],
  [
    'acl {\nblock type * net 192.168.0.0/16\n}',
    { name: 'www.example.org', type: 'AAAA', client: '192.168.0.2' },
    'block 15',
  ],
  ['acl {\nfilter type A\n}', { name: 'WWW.example.org' }, 'filter 17'],
  ['acl {\ndrop net 2001:db8::/32\n}', { name: 'www.example.org', client: '2001:db8::7' }, 'drop'],
  ['acl {\ndrop net 2001:db8::/32\n}', { name: 'www.example.org', client: '192.0.2.7' }, 'allow'],
  ['acl {\nallow net 192.168.1.0/24\nblock\n}', { name: 'x.test', client: '192.168.1.9' }, 'allow'],
  [
    'acl {\nallow net 192.168.1.0/24\nblock\n}',
    { name: 'x.test', client: '192.168.2.9' },
    'block 15',
  ],
  ['acl {\nblock net 192.168.1.2\n}', { name: 'x.test', client: '192.168.1.2' }, 'block 15'],
  ['acl {\nblock net 192.168.1.2\n}', { name: 'x.test', client: '192.168.1.3' }, 'allow'],
  [
    'acl {\nblock net 192.168.1.0/24 10.0.0.0/8 type A AAAA\n}',
    { name: 'x.test', type: 'AAAA', client: '10.1.1.1' },
    'block 15',
  ],
  ['acl a.test {\nallow\n}\nacl {\nblock\n}', { name: 'x.a.test' }, 'allow'],
  ['acl a.test {\nallow type TXT\n}\nacl {\nblock\n}', { name: 'x.a.test' }, 'block 15'],
];

for (const [rules, asked, expected] of CASES) {
  test(`[dns 99] acl: ${rules.replaceAll('\n', ' ')} does to ${JSON.stringify(asked)}: ${expected}`, async (t) => {
    t.is(await verdict(rules, asked), expected);
  });
}

test('acl: what becomes of queries is counted', async (t) => {
  const context = contextOf();
  const plugin = setUp(setUpAcl, 'acl {\nblock type A\ndrop type TXT\nfilter type MX\n}', context);
  for (const type of ['A', 'TXT', 'MX', 'AAAA'] as const) {
    await plugin.handle(ask({ name: 'x.test', type }), upstream(() => ({})).next);
  }
  t.deepEqual([...context.counts.keys()].sort(), [
    'coredns_acl_allowed_requests_total',
    'coredns_acl_blocked_requests_total',
    'coredns_acl_dropped_requests_total',
    'coredns_acl_filtered_requests_total',
  ]);
});

test('acl: claims are the zones of its clauses', (t) => {
  t.deepEqual(claimed(setUp(setUpAcl, 'acl b.test a.test x.a.test {\nblock\n}')), [
    'a.test.',
    'b.test.',
  ]);
  t.is(claimed(setUp(setUpAcl, 'acl {\nblock\n}')), 'all');
});

for (const [line, message] of [
  ['deny type A', 'Corefile:3: acl: unknown property "deny"'],
  ['block A', 'Corefile:3: acl: "A": expected type or net'],
  ['block type NOPE', 'Corefile:3: acl: "NOPE": expected a record type'],
  [
    'block net 10.0.0.0/33',
    'Corefile:3: acl: "10.0.0.0/33": expected an address or a prefix such as 10.0.0.0/8',
  ],
  ['block net', 'Corefile:3: acl block: "net": expected something behind it'],
  ['block type net 10.0.0.0/8', 'Corefile:3: acl: expected something before "net"'],
] as const) {
  test(`acl: ${line} is refused with file, line and word`, (t) => {
    t.throws(() => setUp(setUpAcl, `acl {\n${line}\n}`), { message });
  });
}
