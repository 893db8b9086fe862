import test from 'ava';
import type { ExecutionContext } from 'ava';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createForward } from '../../../src/dns/forward/forward.js';
import { DEFAULT_FORWARD_OPTIONS } from '../../../src/dns/forward/options.js';
import { makeIdentity } from '../../support/certificates.js';
import type { Identity } from '../../support/certificates.js';
import { needs } from '../../support/skip.js';
import { startDouble } from './double.js';
import { addresses, ask, forwardTo, query } from './rig.js';

const tlsTest = needs({ tools: ['openssl'] });

/** A certificate that vouches for itself, with its key, PEM. */
function selfSigned(t: ExecutionContext, whose: string): Identity {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-tls-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  return makeIdentity(dir, 'dns', whose);
}

tlsTest(
  'tls: queries of UDP and TCP clients go over one connection to a server that proves its name',
  async (t) => {
    const identity = selfSigned(t, 'DNS:dns.example.net');
    const upstream = await startDouble(t, undefined, {
      tls: identity,
      servername: 'dns.example.net',
    });
    const uses: string[] = [];
    const forward = forwardTo(t, [upstream], {
      tls: { ca: identity.cert },
      hooks: { onExchange: ({ transport, upstream: name }) => uses.push(`${transport} ${name}`) },
    });
    t.deepEqual(addresses(t, await ask(forward, query('a.example.org'), 'udp')), ['192.0.2.1']);
    t.deepEqual(addresses(t, await ask(forward, query('b.example.org'), 'tcp')), ['192.0.2.1']);
    t.is(upstream.connections(), 1);
    const name = `tls tls://127.0.0.1:${upstream.port}`;
    t.deepEqual(uses, [name, name]);
    t.deepEqual(
      upstream.seen.map(({ transport }) => transport),
      ['tls', 'tls'],
    );
  },
);

tlsTest(
  'tls: `tls_servername` names servers that have no name of their own; without any, the address counts',
  async (t) => {
    const named = selfSigned(t, 'DNS:dns.example.net');
    const upstream = await startDouble(t, undefined, { tls: named });
    const byName = forwardTo(t, [upstream], {
      tls: { ca: named.cert, servername: 'dns.example.net' },
    });
    t.deepEqual(addresses(t, await ask(byName)), ['192.0.2.1']);
    const byAddress = forwardTo(t, [upstream], { tls: { ca: named.cert }, maxFails: 0 });
    t.like(await ask(byAddress), { failure: 'tls', rcode: 2 });
    const numbered = selfSigned(t, 'IP:127.0.0.1');
    const other = await startDouble(t, undefined, { tls: numbered });
    t.deepEqual(addresses(t, await ask(forwardTo(t, [other], { tls: { ca: numbered.cert } }))), [
      '192.0.2.1',
    ]);
  },
);

tlsTest(
  "tls: a stranger's certificate, a wrong name and an old version are refused, and nothing is asked",
  async (t) => {
    const identity = selfSigned(t, 'DNS:dns.example.net');
    const stranger = selfSigned(t, 'DNS:dns.example.net');
    const upstream = await startDouble(t, undefined, {
      tls: identity,
      servername: 'dns.example.net',
    });
    t.like(await ask(forwardTo(t, [upstream], { tls: { ca: stranger.cert }, maxFails: 0 })), {
      failure: 'tls',
      rcode: 2,
    });
    t.like(await ask(forwardTo(t, [upstream], { maxFails: 0 })), { failure: 'tls' });
    const wrong = { spec: { ...upstream.spec, servername: 'other.example.net' } };
    t.like(await ask(forwardTo(t, [wrong], { tls: { ca: identity.cert }, maxFails: 0 })), {
      failure: 'tls',
    });
    t.is(upstream.seen.length, 0);
    const old = await startDouble(t, undefined, {
      tls: {
        ...identity,
        minVersion: 'TLSv1.1',
        maxVersion: 'TLSv1.1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      },
      servername: 'dns.example.net',
    });
    t.like(await ask(forwardTo(t, [old], { tls: { ca: identity.cert }, maxFails: 0 })), {
      failure: 'tls',
    });
  },
);

tlsTest('tls: a client certificate is shown to servers that want one', async (t) => {
  const identity = selfSigned(t, 'DNS:dns.example.net');
  const ours = selfSigned(t, 'DNS:node.example.net');
  const upstream = await startDouble(t, undefined, {
    tls: {
      ...identity,
      ca: ours.cert,
      requestCert: true,
      rejectUnauthorized: true,
      maxVersion: 'TLSv1.2',
    },
    servername: 'dns.example.net',
  });
  const shown = forwardTo(t, [upstream], {
    tls: { ca: identity.cert, cert: ours.cert, key: ours.key },
  });
  t.deepEqual(addresses(t, await ask(shown)), ['192.0.2.1']);
  const hidden = forwardTo(t, [upstream], { tls: { ca: identity.cert }, maxFails: 0 });
  t.true('failure' in (await ask(hidden)));
});

test('tls: a port that speaks no TLS is a failure, and the next upstream is asked', async (t) => {
  const plain = await startDouble(t, (_asked, _send, drop) => drop());
  const upstream = await startDouble(t);
  const broken = { spec: { ...plain.spec, transport: 'tls' } as const };
  const forward = forwardTo(t, [broken, upstream], { times: { readMs: 1000 } });
  t.deepEqual(addresses(t, await ask(forward)), ['192.0.2.1']);
});

tlsTest('tls: a key that is not of the certificate stops the start with one sentence', (t) => {
  const one = selfSigned(t, 'DNS:a.example.net');
  const two = selfSigned(t, 'DNS:b.example.net');
  const spec = { transport: 'tls', address: '192.0.2.1', port: 853 } as const;
  const start = (tls: object) => () =>
    createForward({ ...DEFAULT_FORWARD_OPTIONS, upstreams: [spec], tls });
  const message = /^forward: tls: certificate, key or authority cannot be used: .+$/;
  t.throws(start({ cert: one.cert, key: two.key }), { code: 'ERR_CONFIG', message });
  t.throws(start({ cert: 'no certificate' }), { code: 'ERR_CONFIG', message });
});
