/** The DNS server as clients see it: dig, kdig, sockets of Node's; dns-packet reads what comes. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import test from 'ava';
import dnsPacket from 'dns-packet';
import type { DecodedPacket } from 'dns-packet';
import { makeIdentity } from '../support/certificates.js';
import { needs, whyNot } from '../support/skip.js';
import { ask, askUntilComplete, framed, query, sendTcp, sendUdp } from './client.js';
import { createOwner, openFolder, serve } from './served.js';
import type { Served } from './served.js';

const run = promisify(execFile);
const digTest = needs({ tools: ['dig'] });
const TLS = { tools: ['openssl'] };
const kdigTest = needs({ tools: [...TLS.tools, 'kdig'] });
const tlsTest = needs(TLS);

const OBJECTS = readFileSync(new URL('../dns/fixtures/cluster.yaml', import.meta.url), 'utf8');
const COREFILE = `.:53 {
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    pods insecure
  }
  hosts {
    192.0.2.80 www.example.org
    fallthrough
  }
  whoami
}
only.test:53 {
}
`;
const TLS_BLOCK = `tls://.:0 {
  tls one.crt one.key
  kubernetes cluster.local
}
`;
const BIG = 'hdlsbig.testns.svc.cluster.local';
const SVC = 'svc1.testns.svc.cluster.local';
const HOSTS = ['127.0.0.1', '::1'] as const;

const owner = createOwner();
const folder = openFolder(owner);
let server: Served;

test.before(async () => {
  const hasTls = whyNot(TLS) === undefined;
  if (hasTls) makeIdentity(folder, 'one');
  server = await serve(owner, {
    corefile: COREFILE + (hasTls ? TLS_BLOCK : ''),
    objects: OBJECTS,
    addresses: HOSTS,
    folder,
  });
  await askUntilComplete(server);
});
test.after.always(owner.end);

async function dig(host: string, ...args: string[]): Promise<string> {
  const where = [`@${host}`, '-p', String(server.port), '+time=5', '+tries=2'];
  return (await run('dig', [...where, ...args])).stdout;
}

const headOf = (text: string): string => /flags: [^;]*; .*/.exec(text)?.[0] ?? text;

digTest('server: dig over UDP and TCP, both families', async (t) => {
  for (const host of HOSTS) {
    for (const way of ['+notcp', '+tcp']) {
      t.is(await dig(host, way, '+short', SVC), '10.0.0.1\n', `${host} ${way}`);
      t.is(await dig(host, way, '+short', SVC, 'SRV'), `0 100 80 ${SVC}.\n`);
      t.is(await dig(host, way, '+short', '-x', '10.0.0.1'), `${SVC}.\n`);
      const missing = await dig(host, way, `no${SVC}`);
      t.regex(missing, /status: NXDOMAIN/);
      t.regex(missing, /cluster\.local\.\s+5\s+IN\s+SOA\s+ns\.dns\.cluster\.local\. hostmaster\./);
    }
    // What the core leaves to the host.
    for (const way of ['+notcp', '+tcp']) {
      t.is(await dig(host, way, '+short', 'www.example.org'), '192.0.2.80\n');
      t.regex(await dig(host, way, 'any.only.test'), /status: REFUSED/);
    }
  }
});

digTest(
  'server: a reply has an OPT record if the query has one, and DO as it has [dns 68]',
  async (t) => {
    for (const name of [SVC, 'www.example.org']) {
      t.notRegex(await dig('127.0.0.1', '+noedns', name), /OPT PSEUDOSECTION/);
      const wish = ['+dnssec', '+bufsize=4096', '+nocookie'];
      t.regex(await dig('127.0.0.1', ...wish, name), /EDNS: version: 0, flags: do; udp: 1232/);
      t.regex(await dig('127.0.0.1', '+nocookie', name), /EDNS: version: 0, flags:; udp: 1232/);
      t.regex(await dig('127.0.0.1', '+edns=1', '+noednsnegotiation', name), /status: BADVERS/);
    }
  },
);

digTest(
  'server: what does not fit is cut short, and whole over TCP [dns 70] [dns 71]',
  async (t) => {
    const cases: [string[], string][] = [
      [
        ['+noedns', '+ignore'],
        'flags: qr aa tc rd; QUERY: 1, ANSWER: 28, AUTHORITY: 0, ADDITIONAL: 0',
      ],
      [
        ['+bufsize=100', '+ignore'],
        'flags: qr aa tc rd; QUERY: 1, ANSWER: 28, AUTHORITY: 0, ADDITIONAL: 1',
      ],
      [
        ['+bufsize=1232', '+ignore'],
        'flags: qr aa tc rd; QUERY: 1, ANSWER: 73, AUTHORITY: 0, ADDITIONAL: 1',
      ],
      [['+noedns', '+tcp'], 'flags: qr aa rd; QUERY: 1, ANSWER: 100, AUTHORITY: 0, ADDITIONAL: 0'],
      // dig asks again over TCP by itself.
      [['+noedns'], 'flags: qr aa rd; QUERY: 1, ANSWER: 100, AUTHORITY: 0, ADDITIONAL: 0'],
    ];
    for (const [args, head] of cases) {
      t.is(headOf(await dig('127.0.0.1', '+nocookie', ...args, BIG)), head, args.join(' '));
    }
  },
);

digTest('server: a connection stays open for the next query', async (t) => {
  const text = await dig('::1', '+tcp', '+keepopen', '+short', SVC, `_http._tcp.${SVC}`, 'SRV');
  t.is(text, `10.0.0.1\n0 100 80 ${SVC}.\n`);
});

test('server: queries of one TCP segment are all answered, each under its own ID [dns 108]', async (t) => {
  const names = [SVC, 'www.example.org', `no${SVC}`];
  const queries = names.map((name) => query(name));
  const replies = await sendTcp(framed(...queries), 3, server);
  const byId = new Map(replies.map((reply) => [reply.readUInt16BE(), dnsPacket.decode(reply)]));
  t.is(byId.size, 3);
  queries.forEach((each, i) => {
    const packet = byId.get(each.readUInt16BE()) as DecodedPacket & { rcode: string };
    t.is(packet.questions?.[0]?.name, names[i]);
    t.is(packet.rcode, i === 2 ? 'NXDOMAIN' : 'NOERROR');
  });
});

test('server: a message over TCP may come in any pieces', async (t) => {
  const bytes = framed(query(SVC), query('www.example.org'));
  const { connect } = await import('node:net');
  const socket = connect(server.port, '127.0.0.1');
  const replies: Buffer[] = [];
  const whole = new Promise<void>((resolve) => {
    socket.on('data', (part) => {
      replies.push(part);
      const all = Buffer.concat(replies);
      const first = all.length >= 2 ? 2 + all.readUInt16BE() : Infinity;
      if (all.length >= first + 2 && all.length >= first + 2 + all.readUInt16BE(first)) resolve();
    });
  });
  socket.setNoDelay(true);
  for (const byte of bytes) {
    socket.write(Uint8Array.of(byte));
    await new Promise(setImmediate);
  }
  await whole;
  socket.destroy();
  t.pass();
});

test('server: a client that has closed its side still gets its answers', async (t) => {
  const { connect } = await import('node:net');
  const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
  const parts: Buffer[] = [];
  socket.on('data', (part) => parts.push(part));
  const closed = new Promise((resolve) => socket.on('end', resolve));
  socket.end(framed(query('www.example.org'), query(SVC)));
  await closed;
  socket.destroy();
  const bytes = Buffer.concat(parts);
  t.is(bytes.length, 4 + bytes.readUInt16BE() + bytes.readUInt16BE(2 + bytes.readUInt16BE()));
});

test('server: the question comes back in the letter case it was asked in [dns 2]', async (t) => {
  for (const name of ['sVc1.TeStNs.SvC.cLuStEr.LoCaL', 'wWw.ExAmPlE.oRg']) {
    const { answers, packet } = await ask(server, name);
    t.is(packet.questions?.[0]?.name, name);
    t.is(packet.answers?.[0]?.name, name);
    t.is(answers.length, 1);
  }
});

test('server: a server block without plugins refuses, as does what nobody has [dns 65]', async (t) => {
  const { rcode, packet } = await ask(server, 'any.only.test');
  t.is(rcode, 'REFUSED');
  t.false(packet.flag_aa);
  t.is(packet.questions?.[0]?.name, 'any.only.test');
});

test('server: ten thousand answers are what the cluster has', async (t) => {
  const byName: Record<string, readonly string[]> = {
    [SVC]: ['A 10.0.0.1'],
    'svcmulti.testns.svc.cluster.local': ['A 10.0.0.6'],
    'svc-dual-stack.testns.svc.cluster.local': ['A 10.0.0.3'],
    'dup-name.hdls1.testns.svc.cluster.local': ['A 172.0.0.4', 'A 172.0.0.5'],
    '172-0-0-2.podns.pod.cluster.local': ['A 172.0.0.2'],
    'www.example.org': ['A 192.0.2.80'],
    'svc0.testns.svc.cluster.local': [],
  };
  const names = Object.keys(byName);
  const { createSocket } = await import('node:dgram');
  const socket = createSocket('udp4');
  const open = new Map<number, string>();
  let [sent, wrong] = [0, 0];
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${open.size} are not answered`)), 30_000);
    const next = (): void => {
      if (sent === 10_000) return;
      const name = names[sent++ % names.length] ?? '';
      const message = query(name);
      open.set(message.readUInt16BE(), name);
      socket.send(message, server.port, '127.0.0.1');
    };
    socket.on('message', (reply) => {
      const packet = dnsPacket.decode(reply);
      const name = open.get(packet.id ?? 0) ?? '';
      open.delete(packet.id ?? 0);
      const data = (packet.answers ?? []).map(
        (answer) => `A ${String((answer as { data: unknown }).data)}`,
      );
      if (packet.questions?.[0]?.name !== name || data.sort().join() !== byName[name]?.join())
        wrong++;
      next();
      if (sent === 10_000 && open.size === 0) {
        clearTimeout(timer);
        resolve();
      }
    });
    for (let i = 0; i < 100; i++) next();
  });
  socket.close();
  t.is(wrong, 0);
});

tlsTest('server: TLS, with the protocol dot', async (t) => {
  const port = server.portOf('tls://127.0.0.1');
  const open = () =>
    connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['dot'] });
  const [first, second] = await sendTcp(framed(query(SVC), query(`no${SVC}`)), 2, { port }, open);
  t.is(dnsPacket.decode(first as Buffer).answers?.length, 1);
  t.is((dnsPacket.decode(second as Buffer) as unknown as { rcode: string }).rcode, 'NXDOMAIN');
});

kdigTest('server: kdig verifies the certificate of the TLS listener', async (t) => {
  const port = String(server.portOf('tls://127.0.0.1'));
  const tls = ['+tls', `+tls-ca=${folder}/one.crt`, '+tls-hostname=127.0.0.1'];
  const { stdout } = await run('kdig', ['@127.0.0.1', '-p', port, ...tls, '+keepopen', SVC]);
  t.regex(stdout, /TLS session \(TLS1\.3\)/);
  t.regex(stdout, /10\.0\.0\.1/);
});

test('server: garbage does it no harm, and takes no memory', async (t) => {
  const rss = (): number => {
    const [, pages = '0'] = readFileSync(`/proc/${server.child.pid}/statm`, 'utf8').split(' ');
    return (Number(pages) * 4096) / 2 ** 20;
  };
  const { createSocket } = await import('node:dgram');
  const socket = createSocket('udp4');
  socket.on('message', () => undefined);
  let seed = 1;
  const random = (): number => (seed = (seed * 48_271) % 0x7fffffff) / 0x7fffffff;
  const template = query(SVC);
  const flood = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const isDamaged = i % 2 === 0;
      const bytes = isDamaged ? Buffer.from(template) : Buffer.alloc(Math.floor(random() * 600));
      for (let j = isDamaged ? Math.floor(random() * bytes.length) : 0; j < bytes.length; j++) {
        bytes[j] = Math.floor(random() * 256);
        if (isDamaged && random() < 0.7) break;
      }
      socket.send(bytes, server.port, '127.0.0.1');
      if (i % 64 === 0) await new Promise(setImmediate);
    }
    t.deepEqual((await ask(server, SVC)).answers, ['A 10.0.0.1']);
  };
  await flood(10_000);
  const before = rss();
  await flood(20_000);
  t.true(rss() - before < 40, `${before.toFixed(0)} MB before, ${rss().toFixed(0)} MB after`);
  socket.close();
  // Over TCP: a length and no message, garbage, a connection that says nothing.
  for (const bytes of [
    Buffer.from('0000', 'hex'),
    Buffer.from('000501020304', 'hex'),
    Buffer.alloc(4000, 0xff),
  ]) {
    t.deepEqual(await sendTcp(bytes, 1, { ...server, port: server.port, waitMs: 100 }), []);
  }
  t.deepEqual((await ask(server, SVC)).answers, ['A 10.0.0.1']);
  t.is(await sendUdp(Buffer.alloc(11), { port: server.port, waitMs: 50 }), undefined);
});
