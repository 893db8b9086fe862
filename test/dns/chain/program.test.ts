import test from 'ava';
import dnsPacket from 'dns-packet';
import * as abi from '../../../assembly/abi-dns.js';
import type { DnsProgram } from '../../../src/dns/chain/program.js';
import type { ZoneAnswer } from '../../../src/dns/chain/zone-core.js';
import { formatName } from '../../../src/dns/wire/name.js';
import { CLIENT, open } from './program-rig.js';

const HOST = abi.CUT_F_HOST;
const FALLTHROUGH = abi.CUT_F_FALLTHROUGH;
const RA = abi.CUT_F_RA;
const SHUFFLE = abi.CUT_F_SHUFFLE;

const shown = (
  program: DnsProgram,
): (readonly [number, string, number, number, number, number])[] =>
  program
    .cuts()
    .map(({ listener, zone, flags, space, cache, udpMax }) => [
      listener,
      formatName(zone),
      flags,
      space,
      cache,
      udpMax,
    ]);

const ask = async (program: DnsProgram, name: string, over: Partial<dnsPacket.Question> = {}) => {
  const questions = [{ type: 'A', name, ...over }] as dnsPacket.Question[];
  const message = dnsPacket.encode({ type: 'query', id: 7, flags: 256, questions });
  const reply = await program.answer(1, message, CLIENT);
  return { packet: dnsPacket.decode(Buffer.from(reply)), rcode: (reply[3] ?? 0) & 15 };
};

const KUBEADM = `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . 192.0.2.53 {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
`;

test('the Corefile of kubeadm: the cluster is the core’s, the rest comes from the cache', async (t) => {
  const program = open(KUBEADM);
  t.deepEqual(
    program.listeners.map(({ id, scheme, hosts, port }) => ({ id, scheme, hosts, port })),
    [{ id: 1, scheme: 'dns', hosts: [], port: 53 }],
  );
  t.deepEqual(shown(program), [
    [1, '.', RA | SHUFFLE, 0, 1, 1232],
    [1, 'ip6.arpa.', RA | SHUFFLE | FALLTHROUGH, 32, 1, 1232],
    [1, 'in-addr.arpa.', RA | SHUFFLE | FALLTHROUGH, 32, 1, 1232],
    [1, 'cluster.local.', RA | SHUFFLE, 32, 0, 1232],
    [2, 'cluster.local.', RA, 32, 0, 1232],
    [2, 'in-addr.arpa.', RA, 32, 0, 1232],
    [2, 'ip6.arpa.', RA, 32, 0, 1232],
  ]);
  const [zone] = program.zones;
  t.is(zone?.options.ttl, 30);
  t.is(zone?.options.pods, 'insecure');
  t.is(zone?.options.ttlMax, Infinity, 'nothing of cluster.local is cached');
  t.deepEqual(program.settings.health, [{ listen: { host: '', port: 8080 }, lameduckMs: 5000 }]);
  t.deepEqual(program.settings.ready, [
    { listen: { host: '', port: 8181 }, monitor: 'until-ready' },
  ]);
  t.deepEqual(program.settings.prometheus, [{ listen: { host: '', port: 9153 } }]);
  t.deepEqual(program.settings.reload, { intervalMs: 30_000, jitterMs: 15_000 });
  await program.close();
});

test('a NodeLocal Corefile: one listener of two addresses, three zones with caches of their own', async (t) => {
  const zone = (name: string): string => `${name}:53 {
    errors
    cache 30
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . 10.96.0.11 {
      force_tcp
    }
  }
`;
  const program = open(`${zone('cluster.local')}${zone('in-addr.arpa')}${zone('.')}`);
  t.deepEqual(
    program.listeners.map(({ hosts, port }) => ({ hosts, port })),
    [{ hosts: ['169.254.20.10', '10.96.0.10'], port: 53 }],
  );
  t.deepEqual(shown(program), [
    [1, '.', RA, 0, 3, 1232],
    [1, 'in-addr.arpa.', RA, 0, 2, 1232],
    [1, 'cluster.local.', RA, 0, 1, 1232],
  ]);
  t.deepEqual(program.counters, [
    { index: 1, server: 'dns://169.254.20.10:53', zone: 'cluster.local.' },
    { index: 2, server: 'dns://169.254.20.10:53', zone: 'in-addr.arpa.' },
    { index: 3, server: 'dns://169.254.20.10:53', zone: '.' },
  ]);
  await program.close();
});

test('a cache in front of all zones bounds their TTLs', async (t) => {
  const program = open('. {\n kubernetes cluster.local {\n ttl 60\n }\n cache 30\n}\n');
  t.is(program.zones[0]?.options.ttlMax, 30);
  await program.close();
});

test('log leaves the names it logs to the host; the private listener stays the core’s', async (t) => {
  const program = open('. {\n log cluster.local\n kubernetes cluster.local\n cache\n}\n');
  t.deepEqual(shown(program), [
    [1, '.', 0, 0, 1, 1232],
    [1, 'cluster.local.', HOST, 32, 1, 1232],
    [2, 'cluster.local.', 0, 32, 0, 1232],
  ]);
  await program.close();
});

test('minimal, any and bufsize are the core’s; autopath lets it pass on what does not exist', async (t) => {
  const program = open(
    '. {\n minimal\n any\n bufsize 1400\n autopath @kubernetes\n kubernetes cluster.local\n}\n',
  );
  const flags = abi.CUT_F_MINIMAL | abi.CUT_F_ANY;
  t.deepEqual(shown(program).slice(0, 2), [
    [1, '.', flags, 0, 0, 1400],
    [1, 'cluster.local.', flags | FALLTHROUGH, 32, 0, 1400],
  ]);
  await program.close();
});

test('a server block inside the zone of its kubernetes is the host’s', async (t) => {
  const program = open('svc.cluster.local {\n kubernetes cluster.local\n}\n');
  t.deepEqual(shown(program)[0], [1, 'svc.cluster.local.', HOST, 0, 0, 1232]);
  await program.close();
});

test('[dns 65] no block, or a block without plugins: REFUSED without AA, question echoed', async (t) => {
  const program = open('example.org {\n}\nexample.net {\n any\n}\n');
  t.deepEqual(
    shown(program).map(([, zone, flags]) => [zone, flags]),
    [
      ['example.org.', abi.CUT_F_REFUSE],
      ['example.net.', abi.CUT_F_ANY],
    ],
  );
  for (const name of ['a.ExAmple.org', 'example.com']) {
    const { packet, rcode } = await ask(program, name);
    t.is(rcode, 5);
    t.false(packet.flag_aa);
    t.is(packet.questions?.[0]?.name, name);
  }
  t.is((await ask(program, 'a.example.net')).rcode, 2, 'nobody answers');
  await program.close();
});

test('[dns 66] [dns 67] reverse zones of a prefix are served, their neighbours are not', async (t) => {
  const program = open('10.0.0.0/15 192.168.1.0/25 {\n any\n}\n');
  const rcodeOf = async (name: string) => (await ask(program, name)).rcode;
  for (const name of ['x.0.10', 'x.1.10', '0.1.168.192', '127.1.168.192']) {
    t.is(await rcodeOf(`${name}.in-addr.arpa`), 2, name);
  }
  for (const name of ['x.2.10', '128.1.168.192', '255.1.168.192', '1.2.168.192']) {
    t.is(await rcodeOf(`${name}.in-addr.arpa`), 5, name);
  }
  await program.close();
});

test('[dns 98] any: one HINFO with TTL 8482, not authoritative', async (t) => {
  const program = open('. {\n any\n}\n');
  const { packet } = await ask(program, 'example.org', { type: 'ANY' as 'A' });
  const [answer] = packet.answers ?? [];
  t.deepEqual(answer?.type === 'HINFO' && [answer.ttl, answer.data], [
    8482,
    { cpu: 'ANY obsoleted', os: 'See RFC 8482' },
  ]);
  t.false(packet.flag_aa);
  await program.close();
});

/** The names of a cluster with one ExternalName, as the core answers for them. */
const externalZone = (message: Uint8Array): ZoneAnswer => {
  const query = dnsPacket.decode(Buffer.from(message));
  const question = query.questions?.[0];
  const base = { type: 'response' as const, id: query.id ?? 0, flags: 1024, questions: [question] };
  const soa = { type: 'SOA', name: 'cluster.local', ttl: 5, data: { mname: 'ns', rname: 'h' } };
  const reply = (answers: unknown[]): ZoneAnswer => ({
    kind: 'reply',
    message: dnsPacket.encode({ ...base, answers } as dnsPacket.Packet),
  });
  if (question?.type === 'SOA') return reply([soa]);
  if (question?.type !== 'CNAME') return { kind: 'host', why: abi.DnsWhy.CNAME_OUTSIDE };
  return reply([{ type: 'CNAME', name: question.name, ttl: 5, data: 'ext.interwebs.test' }]);
};

test('[dns 44] a CNAME to what cannot be resolved is NODATA with the SOA of the zone', async (t) => {
  const program = open('. {\n kubernetes cluster.local\n}\n', { zone: externalZone });
  const { packet, rcode } = await ask(program, 'external.testns.svc.cluster.local');
  t.is(rcode, 0);
  t.is(packet.answers?.length, 0);
  t.is(packet.authorities?.[0]?.type, 'SOA');
  await program.close();
});

test('[dns 38] a CNAME that leads out is followed through the server, CNAME first', async (t) => {
  // The block for the target answers ANY only, which is enough to see that it was asked.
  const program = open('cluster.local {\n kubernetes\n}\ninterwebs.test {\n any\n}\n', {
    zone: externalZone,
  });
  const name = 'external.testns.svc.cluster.local';
  const { packet } = await ask(program, name, { type: 'ANY' as 'A' });
  t.deepEqual(
    packet.answers?.map((answer) => [answer.type, answer.name]),
    [
      ['CNAME', name],
      ['HINFO', 'ext.interwebs.test'],
    ],
  );
  t.true(packet.flag_aa);
  await program.close();
});

test('what is wrong with a Corefile names file, line and word', (t) => {
  const complaint = (lines: string): string => t.throws(() => open(`. {\n ${lines}\n}\n`)).message;
  t.is(
    complaint('kubernetes {\n ttl 4000\n}'),
    'Corefile:3: kubernetes ttl: "4000": expected a TTL of 0 to 3600',
  );
  t.is(complaint('kubernetes {\n bogus\n}'), 'Corefile:3: kubernetes: unknown property "bogus"');
  t.is(complaint('dnssec'), 'Corefile:2: plugin dnssec is not part of this server');
  t.is(complaint('bufsize 100'), 'Corefile:2: bufsize: "100": expected a size of 512 to 4096');
  t.is(complaint('forward .'), 'Corefile:2: forward: ".": expected an upstream');
  t.is(complaint('reload 1s'), 'Corefile:2: reload: "1s": expected an interval of 2s or more');
  t.is(
    complaint('cache 30 {\n prefetch 1 10s 5%\n}'),
    'Corefile:3: cache prefetch: "5%": expected a share of 10% to 90%',
  );
  t.is(
    complaint('health 8080'),
    'Corefile:2: health: "8080": expected an address with a port such as :8080',
  );
  t.regex(complaint('bind nosuch0'), /^Corefile:2: bind: "nosuch0": expected an address or/);
  t.regex(complaint('forward . 127.0.0.1'), /^Corefile:2: .*is this DNS server itself/);
});

test('settings of the server: each is checked where it stands', (t) => {
  const complaint = (lines: string): string => t.throws(() => open(`. {\n ${lines}\n}\n`)).message;
  t.is(complaint('root'), 'Corefile:2: root: expected a folder');
  t.is(complaint('root a {\n b\n}'), 'Corefile:2: root: expected no braces');
  t.is(complaint('root a\nroot b'), 'Corefile:3: root: expected once in a server block');
  t.is(complaint('tls a.pem'), 'Corefile:2: tls: "a.pem": expected a key');
  t.is(complaint('tls a b {\n verify\n}'), 'Corefile:3: tls: unknown property "verify"');
  t.is(
    complaint('tls a b c {\n client_auth request\n}'),
    'Corefile:3: tls client_auth: "request": expected one of nocert, require_and_verify',
  );
  t.is(
    complaint('tls a b {\n client_auth require_and_verify\n}'),
    'Corefile:2: tls: client_auth require_and_verify: expected a CA behind the key',
  );
  t.is(complaint('timeouts 5s'), 'Corefile:2: timeouts: "5s": unexpected argument');
  t.is(complaint('timeouts'), 'Corefile:2: timeouts: expected read, write, idle or max_queries');
  t.is(complaint('timeouts {\n reed 5s\n}'), 'Corefile:3: timeouts: unknown property "reed"');
  t.is(
    complaint('timeouts {\n idle 25h\n}'),
    'Corefile:3: timeouts idle: "25h": expected a timeout of 1s to 86400s',
  );
  t.regex(
    complaint('timeouts {\n max_queries -1\n}'),
    /^Corefile:3: timeouts max_queries: "-1": expected a count/,
  );
  t.is(complaint('multisocket 0'), 'Corefile:2: multisocket: "0": expected a count of 1 to 1024');
  t.is(
    complaint('multisocket 2\nmultisocket'),
    'Corefile:3: multisocket: expected once in a server block',
  );
  t.is(complaint('debug on'), 'Corefile:2: debug: "on": unexpected argument');
  t.regex(complaint('pprof 6053'), /^Corefile:2: pprof: "6053": expected an address with a port/);
  t.is(complaint('pprof {\n rate 1\n}'), 'Corefile:3: pprof: unknown property "rate"');
  t.is(complaint('metadata {\n a\n}'), 'Corefile:2: metadata: expected no braces');
});
