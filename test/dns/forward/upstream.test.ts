import test from 'ava';
import type { ExecutionContext } from 'ava';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createForward } from '../../../src/dns/forward/forward.js';
import { lookUpHost } from '../../../src/dns/forward/host-name.js';
import { loopComplaint } from '../../../src/dns/forward/loops.js';
import { DEFAULT_FORWARD_OPTIONS } from '../../../src/dns/forward/options.js';
import { readNameservers } from '../../../src/dns/forward/resolv-conf.js';
import {
  formatUpstream,
  parseUpstream,
  parseUpstreams,
} from '../../../src/dns/forward/upstream.js';

const dns = (address: string, port = 53) => ({ transport: 'dns', address, port });
const tls = (address: string, port = 853, servername?: string) => ({
  transport: 'tls',
  address,
  port,
  ...(servername === undefined ? {} : { servername }),
});

for (const [text, spec, name] of [
  ['10.0.0.1', dns('10.0.0.1'), '10.0.0.1:53'],
  ['10.0.0.1:5353', dns('10.0.0.1', 5353), '10.0.0.1:5353'],
  ['dns://10.0.0.1', dns('10.0.0.1'), '10.0.0.1:53'],
  ['2001:db8::1', dns('2001:db8::1'), '[2001:db8::1]:53'],
  ['[2001:db8::1]', dns('2001:db8::1'), '[2001:db8::1]:53'],
  ['[2001:db8::1]:5353', dns('2001:db8::1', 5353), '[2001:db8::1]:5353'],
  ['fe80::1%eth0', dns('fe80::1%eth0'), '[fe80::1%eth0]:53'],
  ['tls://9.9.9.9', tls('9.9.9.9'), 'tls://9.9.9.9:853'],
  ['TLS://9.9.9.9:8853', tls('9.9.9.9', 8853), 'tls://9.9.9.9:8853'],
  ['tls://9.9.9.9%dns.quad9.net', tls('9.9.9.9', 853, 'dns.quad9.net'), 'tls://9.9.9.9:853'],
  ['tls://9.9.9.9%dns.quad9.net:8853', tls('9.9.9.9', 8853, 'dns.quad9.net'), 'tls://9.9.9.9:8853'],
  ['tls://9.9.9.9:8853%dns.quad9.net', tls('9.9.9.9', 8853, 'dns.quad9.net'), 'tls://9.9.9.9:8853'],
  [
    'tls://2620:fe::fe%dns.quad9.net',
    tls('2620:fe::fe', 853, 'dns.quad9.net'),
    'tls://[2620:fe::fe]:853',
  ],
  [
    'tls://2620:fe::fe%dns.quad9.net:8853',
    tls('2620:fe::fe', 8853, 'dns.quad9.net'),
    'tls://[2620:fe::fe]:8853',
  ],
  [
    'tls://[2620:fe::fe]:8853%dns.quad9.net',
    tls('2620:fe::fe', 8853, 'dns.quad9.net'),
    'tls://[2620:fe::fe]:8853',
  ],
] as const) {
  test(`upstream: ${text} is read`, (t) => {
    const parsed = parseUpstream(text);
    t.deepEqual(parsed, [spec] as typeof parsed);
    t.deepEqual(parsed.map(formatUpstream), [name]);
  });
}

for (const [text, what] of [
  ['https://dns.google', '"https://" is not supported; expected an IP address or tls://IP'],
  ['quic://9.9.9.9', '"quic://" is not supported; expected an IP address or tls://IP'],
  ['grpc://9.9.9.9', '"grpc://" is not supported; expected an IP address or tls://IP'],
  ['10.0.0.1:0', 'port "0" is not a number from 1 to 65535'],
  ['10.0.0.1:65536', 'port "65536" is not a number from 1 to 65535'],
  ['10.0.0.1:dns', 'port "dns" is not a number from 1 to 65535'],
  [
    '10.0.0.01',
    '"10.0.0.01" is neither an IP address nor a host name; files are given by a path with "/"',
  ],
  ['tls://9.9.9.9%', '"" behind "%" is not a server name'],
  ['tls://9.9.9.9%a b', '"a b" behind "%" is not a server name'],
  ['', '"" is neither an IP address nor a host name; files are given by a path with "/"'],
  ['a b', '"a b" is neither an IP address nor a host name; files are given by a path with "/"'],
] as const) {
  test(`upstream: ${JSON.stringify(text)} is refused in one sentence`, (t) => {
    const message = `upstream ${JSON.stringify(text)}: ${what}`;
    t.throws(() => parseUpstream(text), { code: 'ERR_CONFIG', message });
  });
}

const hostsOf =
  (hosts: Readonly<Record<string, readonly string[]>>) =>
  (host: string): readonly string[] =>
    hosts[host] ?? [];

test('upstreams: a host name stands for all of its addresses, with the port that is said', (t) => {
  const lookUp = hostsOf({
    'ns.test': ['10.0.0.1', '2001:db8::1', '10.0.0.1'],
    'dot.test.': ['::2'],
  });
  const words = ['10.0.0.9', 'ns.test:5353', 'tls://dot.test.', 'tls://ns.test%a.test'];
  const { upstreams } = parseUpstreams(words, lookUp);
  t.deepEqual(upstreams.map(formatUpstream), [
    '10.0.0.9:53',
    '10.0.0.1:5353',
    '[2001:db8::1]:5353',
    'tls://[::2]:853',
    'tls://10.0.0.1:853',
    'tls://[2001:db8::1]:853',
  ]);
  t.deepEqual(
    upstreams.map(({ host, servername }) => servername ?? host),
    [undefined, 'ns.test', 'ns.test', 'dot.test', 'a.test', 'a.test'],
    'a certificate is of whoever is named',
  );
});

test('upstreams: the system knows localhost, and a host that it does not know is refused', (t) => {
  const { upstreams } = parseUpstreams(['localhost:5353']);
  const names = upstreams.map(formatUpstream);
  t.true(names.length > 0);
  for (const name of names) t.true(['127.0.0.1:5353', '[::1]:5353'].includes(name), name);
  // Too long for a label: the system needs nobody to say so.
  const host = `${'a'.repeat(64)}.test`;
  t.throws(() => lookUpHost(host), { message: /^"a{64}\.test" does not resolve: E[A-Z_]+$/ });
  t.throws(() => lookUpHost('localhost', 0), { message: /does not resolve: no answer in 0 ms$/ });
  const failing = (): never => {
    throw new Error('"ns.test" does not resolve: ENOTFOUND');
  };
  t.throws(() => parseUpstreams(['ns.test'], failing), {
    code: 'ERR_CONFIG',
    message: 'upstream "ns.test": "ns.test" does not resolve: ENOTFOUND',
  });
});

function folder(t: ExecutionContext) {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-resolv-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  return (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
}

test('upstreams: a resolv.conf file stands for its name servers, in order, each once', (t) => {
  const path = folder(t)(
    'resolv.conf',
    '# made by hand\nsearch a.test\nnameserver 10.0.0.1\n nameserver\t2001:db8::1 # second\noptions ndots:5\nnameserver 10.0.0.1\n',
  );
  const { upstreams, notes } = parseUpstreams(['10.0.0.9', path, 'tls://10.0.0.1']);
  t.deepEqual(upstreams.map(formatUpstream), [
    '10.0.0.9:53',
    '10.0.0.1:53',
    '[2001:db8::1]:53',
    'tls://10.0.0.1:853',
  ]);
  t.deepEqual(notes, []);
});

test('upstreams: none, more than 15, and files that cannot be used are refused in one sentence', (t) => {
  const write = folder(t);
  t.throws(() => parseUpstreams([]), { message: 'forward: no upstream is given' });
  const many = Array.from({ length: 16 }, (_, i) => `10.0.0.${i}`);
  t.throws(() => parseUpstreams(many), {
    message: 'forward: 16 upstreams are given; expected at most 15',
  });
  t.is(parseUpstreams(many.slice(1)).upstreams.length, 15);
  t.throws(() => parseUpstreams(['/nonexistent/resolv.conf']), {
    message: /^upstream "\/nonexistent\/resolv.conf": cannot be read: ENOENT/,
  });
  const empty = write('empty', 'search a.test\n');
  t.throws(() => parseUpstreams([empty]), {
    message: `upstream "${empty}": has no nameserver line; expected at least one`,
  });
  const bad = write('bad', 'search a.test\nnameserver ns.test\n');
  t.throws(() => parseUpstreams([bad]), {
    message: `${bad}:2: nameserver "ns.test": expected an IP address`,
  });
});

test('resolv.conf: behind the stub of systemd-resolved its own servers are used, and a sentence says so', (t) => {
  const write = folder(t);
  const stub = write('stub', 'nameserver 127.0.0.53\noptions edns0 trust-ad\n');
  const real = write('real', 'nameserver 10.0.0.1\nnameserver 10.0.0.2\n');
  t.deepEqual(readNameservers(stub, real), {
    nameservers: ['10.0.0.1', '10.0.0.2'],
    note: `${stub} names the stub of systemd-resolved, 127.0.0.53, which can ask us in turn: the servers of ${real} are used instead`,
  });
  t.deepEqual(readNameservers(stub, `${real}.absent`), { nameservers: ['127.0.0.53'] });
  const local = write('local', 'nameserver 127.0.0.1\n');
  t.deepEqual(
    readNameservers(local, real),
    { nameservers: ['127.0.0.1'] },
    'a server of the node is no stub',
  );
});

for (const [upstream, own, isLoop] of [
  ['10.96.0.10', ['10.96.0.10'], true],
  ['10.96.0.10', ['10.96.0.10:53'], true],
  ['10.96.0.10:5353', ['10.96.0.10'], false],
  ['[fd00:0:0::a]', ['fd00::a'], true],
  ['10.96.0.1', ['10.96.0.10'], false],
  ['127.0.0.1:5353', ['0.0.0.0:5353'], true],
  ['127.0.0.1', ['0.0.0.0:5353'], false],
  ['10.0.0.1', ['0.0.0.0'], false],
  ['[::1]', ['::'], true],
  ['0.0.0.0', ['127.0.0.1'], true],
  ['::ffff:10.96.0.10', ['10.96.0.10'], true],
] as const) {
  test(`loops: ${upstream} is ${isLoop ? '' : 'not '}us when we answer on ${own.join(' ')}`, (t) => {
    t.is(loopComplaint(parseUpstream(upstream), own) !== undefined, isLoop);
  });
}

test('loops: a forwarder to itself does not start, and says why', (t) => {
  const upstreams = ['10.0.0.1', '10.96.0.10'].flatMap((each) => parseUpstream(each));
  t.throws(
    () => createForward({ ...DEFAULT_FORWARD_OPTIONS, upstreams, ownAddresses: ['10.96.0.10'] }),
    {
      code: 'ERR_CONFIG',
      message:
        'upstream 10.96.0.10:53 is this DNS server itself (10.96.0.10:53): every query would come back; expected another server',
    },
  );
  t.throws(() => createForward({ ...DEFAULT_FORWARD_OPTIONS, upstreams: [] }), {
    message: 'forward: 0 upstreams are given; expected 1 to 15',
  });
});
