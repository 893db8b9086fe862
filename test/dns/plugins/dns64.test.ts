import test from 'ava';
import type dnsPacket from 'dns-packet';
import { formatAddress, parseCidr } from '../../../src/addr.js';
import { embed, setUpDns64 } from '../../../src/dns/plugins/dns64.js';
import { ask, contextOf, setUp, told, upstream } from './harness.js';

const CLIENT6 = '2001:db8::9';
const SOA: dnsPacket.Answer = {
  type: 'SOA',
  name: 'test',
  ttl: 20,
  data: {
    mname: 'ns.test',
    rname: 'root.test',
    serial: 1,
    refresh: 2,
    retry: 3,
    expire: 4,
    minimum: 5,
  },
};

/** A server that has `a` and `aaaa` for every name. */
const server = (a: string[], aaaa: string[], soa = true) =>
  upstream(({ name, type }) => {
    const cname = { type: 'CNAME' as const, name, ttl: 300, data: 'real.test' };
    const addresses =
      type === 'A'
        ? a.map((data) => ({ type: 'A' as const, name: 'real.test', ttl: 300, data }))
        : aaaa.map((data) => ({ type: 'AAAA' as const, name: 'real.test', ttl: 300, data }));
    if (addresses.length > 0)
      return {
        answers: [cname, ...addresses],
        additionals: [{ type: 'TXT', name: 'x.test', data: 'extra' }],
      };
    return { authorities: soa ? [SOA] : [] };
  });

test('dns64: a name with IPv4 addresses only gets IPv6 ones, with the TTL of the SOA at most', async (t) => {
  const context = contextOf();
  const plugin = setUp(setUpDns64, 'dns64', context);
  const { next, asked } = server(['192.0.2.42'], []);
  const query = ask({ name: 'x.test', type: 'AAAA', client: CLIENT6 });
  const reply = told(await plugin.handle(query, next));
  t.deepEqual(asked, ['x.test IN AAAA', 'x.test IN A']);
  t.is(reply.question, 'x.test IN AAAA');
  t.deepEqual(reply.answer, ['x.test 300 CNAME real.test', 'real.test 20 AAAA 64:ff9b::c000:22a']);
  t.is(reply.additional.length, 1);
  t.is(context.counts.get('coredns_dns64_requests_translated_total'), 1);
});

test('dns64: without an SOA the TTL is 600 at most', async (t) => {
  const plugin = setUp(setUpDns64, 'dns64');
  const { next } = upstream(({ name, type }) => ({
    answers: type === 'A' ? [{ type: 'A', name, ttl: 9999, data: '192.0.2.1' }] : [],
  }));
  const reply = told(
    await plugin.handle(ask({ name: 'x.test', type: 'AAAA', client: CLIENT6 }), next),
  );
  t.deepEqual(reply.answer, ['x.test 600 AAAA 64:ff9b::c000:201']);
});

test('dns64: a name that has IPv6 addresses keeps them, unless all are translated', async (t) => {
  const query = ask({ name: 'x.test', type: 'AAAA', client: CLIENT6 });
  const kept = server(['192.0.2.42'], ['2001:db8::1']);
  t.deepEqual(
    told(await setUp(setUpDns64, 'dns64').handle(query, kept.next)).answer.at(-1),
    'real.test 300 AAAA 2001:db8::1',
  );
  const all = server(['192.0.2.42'], ['2001:db8::1']);
  const plugin = setUp(setUpDns64, 'dns64 {\ntranslate_all\n}');
  t.deepEqual(
    told(await plugin.handle(query, all.next)).answer.at(-1),
    'real.test 300 AAAA 64:ff9b::c000:22a',
  );
});

test('dns64: clients by IPv4, other types, and names that do not exist are left alone', async (t) => {
  const plugin = setUp(setUpDns64, 'dns64');
  for (const asked of [
    { name: 'x.test', type: 'AAAA' as const },
    { name: 'x.test', client: CLIENT6 },
  ]) {
    const chain = server(['192.0.2.42'], []);
    await plugin.handle(ask(asked), chain.next);
    t.is(chain.asked.length, 1);
  }
  const nx = upstream(() => ({ flags: 3 }));
  const query = ask({ name: 'x.test', type: 'AAAA', client: CLIENT6 });
  t.is(told(await plugin.handle(query, nx.next)).rcode, 'NXDOMAIN');
  t.is(nx.asked.length, 1);
});

test('dns64: a failure about IPv6 is as good as no address (RFC 6147 5.1.2)', async (t) => {
  const plugin = setUp(setUpDns64, 'dns64 {\nallow_ipv4\n}');
  const { next } = upstream(({ name, type }) =>
    type === 'A' ? { answers: [{ type: 'A', name, ttl: 5, data: '192.0.2.1' }] } : { flags: 2 },
  );
  const reply = told(await plugin.handle(ask({ name: 'x.test', type: 'AAAA' }), next));
  t.deepEqual(reply.answer, ['x.test 5 AAAA 64:ff9b::c000:201']);
});

// RFC 6052 2.4: 192.0.2.33 behind prefixes of every length.
for (const [prefix, address] of [
  ['2001:db8::/32', '2001:db8:c000:221::'],
  ['2001:db8:100::/40', '2001:db8:1c0:2:21::'],
  ['2001:db8:122::/48', '2001:db8:122:c000:2:2100::'],
  ['2001:db8:122:300::/56', '2001:db8:122:3c0:0:221::'],
  ['2001:db8:122:344::/64', '2001:db8:122:344:c0:2:2100:0'],
  ['2001:db8:122:344::/96', '2001:db8:122:344::c000:221'],
] as const) {
  test(`dns64: 192.0.2.33 behind ${prefix} is ${address} (RFC 6052 2.4)`, (t) => {
    const bytes = embed(parseCidr(prefix), Uint8Array.of(192, 0, 2, 33));
    t.is(
      formatAddress({ family: 6, bytes }),
      address.replace('344:c0:2:2100:0', '344:c0:2:2100:0'),
    );
  });
}

for (const [text, message] of [
  ['dns64 64:ff9b::/95', /^Corefile:2: dns64: "64:ff9b::\/95": expected an IPv6 prefix of 32, 40/],
  ['dns64 10.0.0.0/8', /expected an IPv6 prefix/],
  ['dns64 64:ff9b::/96 x', /"x": unexpected argument/],
  ['dns64 {\nprefix\n}', /^Corefile:3: dns64 prefix: expected an IPv6 prefix/],
  ['dns64 2001:db8:0:0:ff00::/96', /expected bits 64 to 71 to be 0/],
  ['dns64 {\nnope\n}', /^Corefile:3: dns64: unknown property "nope"$/],
] as const) {
  test(`dns64: ${text.replaceAll('\n', ' ')} is refused with file, line and word`, (t) => {
    t.regex(t.throws(() => setUp(setUpDns64, text)).message, message);
  });
}
