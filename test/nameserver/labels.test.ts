/** What a running server calls what it counts. */
import test from 'ava';
import dnsPacket from 'dns-packet';
import type { RecordType } from 'dns-packet';
import { ask, askUntilComplete, framed, query, sendTcp, sendUdp } from './client.js';
import { OBJECTS, WEB } from './objects.js';
import { serve } from './served.js';
import type { Served } from './served.js';

/** Series of a metric: labels as they are printed, and the value. */
async function seriesOf(server: Served, name: string): Promise<Record<string, number>> {
  const { body } = await server.fetch('/metrics');
  const found = body.matchAll(new RegExp(`^${name}\\{(.*)\\} (\\S+)$`, 'gm'));
  return Object.fromEntries(Array.from(found, ([, labels = '', value]) => [labels, Number(value)]));
}

test.serial('metrics: types without a name of their own are one', async (t) => {
  const corefile = '.:53 {\n prometheus 127.0.0.1:0\n whoami\n}\n';
  const server = await serve(t, { corefile });
  for (const type of ['A', 'TYPE999', 'TYPE1000', 'CAA']) {
    const message = query('a.test', 'A');
    // The type stands behind the name.
    const number = { A: 1, TYPE999: 999, TYPE1000: 1000, CAA: 257 }[type] ?? 0;
    message.writeUInt16BE(number, message.length - 4);
    t.not(await sendUdp(message, server), undefined);
  }
  const times = await seriesOf(server, 'coredns_dns_request_duration_seconds_count');
  const of = 'server="dns://:53",zone=".",view=""';
  t.deepEqual(times, { [`${of},type="A"`]: 1, [`${of},type="other"`]: 3 });
});

test.serial('metrics: sizes of what the core answers over TCP are those of TCP', async (t) => {
  const corefile = '.:53 {\n prometheus 127.0.0.1:0\n kubernetes cluster.local\n}\n';
  const server = await serve(t, { corefile, objects: OBJECTS });
  await askUntilComplete(server);
  const family = 'coredns_dns_response_size_bytes';
  const udp = 'server="dns://:53",zone=".",view="",proto="udp"';
  const tcp = udp.replace('udp', 'tcp');
  const before = await seriesOf(server, `${family}_count`);
  const [reply] = await sendTcp(framed(query(WEB)), 1, server);
  await ask(server, WEB);
  const after = await seriesOf(server, `${family}_count`);
  t.is(before[tcp], undefined);
  t.is(after[tcp], 1);
  t.is(after[udp], (before[udp] ?? 0) + 1);
  t.is((await seriesOf(server, `${family}_sum`))[tcp], reply?.length);
  const requests = 'coredns_dns_request_size_bytes';
  t.is((await seriesOf(server, `${requests}_count`))[tcp], 1);
  t.is((await seriesOf(server, `${requests}_sum`))[tcp], query(WEB).length);
});

test.serial('metrics: all of them call a view and a listener alike', async (t) => {
  const block = (view: string, address: string): string =>
    `a.test:53 {\n bind 127.0.0.2\n prometheus 127.0.0.1:0\n ${view}\n` +
    ` cache\n hosts {\n ${address} www.a.test\n }\n}\n`;
  const named = "view ours {\n expr type() == 'A'\n }";
  const corefile = block(named, '192.0.2.1') + block('', '192.0.2.2');
  const server = await serve(t, { corefile });
  const where = { port: server.portOf('dns://127.0.0.2'), host: '127.0.0.2' };
  const send = (type: RecordType) => ask(where, 'www.a.test', type);
  t.deepEqual((await send('A')).answers, ['A 192.0.2.1']);
  await send('TXT');
  const [reply] = await sendTcp(framed(query('www.a.test')), 1, where);
  t.is(dnsPacket.decode(reply as Buffer).answers?.length, 1);

  const of = 'server="dns://127.0.0.2:53",zone="a.test."';
  t.deepEqual(await seriesOf(server, 'coredns_dns_requests_total'), {
    [`${of},view="",family="1",proto="udp",type="TXT"`]: 1,
    [`${of},view="ours",family="1",proto="udp",type="A"`]: 1,
    [`${of},view="ours",family="1",proto="tcp",type="A"`]: 1,
  });
  t.deepEqual(await seriesOf(server, 'coredns_dns_request_size_bytes_count'), {
    [`${of},view="",proto="udp"`]: 1,
    [`${of},view="ours",proto="udp"`]: 1,
    [`${of},view="ours",proto="tcp"`]: 1,
  });
  t.deepEqual(await seriesOf(server, 'coredns_dns_responses_total'), {
    [`${of},view="",rcode="NOERROR",plugin="hosts"`]: 1,
    [`${of},view="ours",rcode="NOERROR",plugin="hosts"`]: 1,
    [`${of},view="ours",rcode="NOERROR",plugin="cache"`]: 1,
  });
  const enabled = await seriesOf(server, 'coredns_plugin_enabled');
  t.is(enabled[`${of},view="",name="hosts"`], 1);
  t.is(enabled[`${of},view="ours",name="hosts"`], 1);
  const caches = await seriesOf(server, 'coredns_cache_misses_total');
  t.deepEqual(Object.keys(caches).sort(), [
    'server="dns://127.0.0.2:53",zones="a.test.",view=""',
    'server="dns://127.0.0.2:53",zones="a.test.",view="ours"',
  ]);
});

test.serial('log: a line has every key once', async (t) => {
  const server = await serve(t, { corefile: '.:53 {\n log\n whoami\n}\n' });
  await ask(server, 'a.test');
  await server.said(/a\.test/);
  const line = server.texts().find((text) => text.includes('a.test')) ?? '';
  t.deepEqual(line.match(/"component":"[\w.]+"/g), ['"component":"dns.log"']);
});
