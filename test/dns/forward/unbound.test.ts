/** The forwarder before a real server: unbound, over UDP, TCP and TLS. dns-packet reads what comes. */
import type { ExecutionContext } from 'ava';
import dnsPacket from 'dns-packet';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeIdentity } from '../../support/certificates.js';
import { freePort } from '../../support/ports.js';
import { needs } from '../../support/skip.js';
import { OPT, addresses, ask, decoded, forwardTo, query } from './rig.js';

const unboundTest = needs({ tools: ['unbound', 'openssl'] });
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

async function isUp(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    socket.send(query('up.example.test'), port, '127.0.0.1');
    const answered = once(socket, 'message').then(() => true);
    return await Promise.race([answered, delay(100, false)]);
  } finally {
    socket.close();
  }
}

/** Names of example.test that unbound answers itself; everything else there is NXDOMAIN. */
async function startUnbound(t: ExecutionContext) {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-unbound-'));
  const [port, tlsPort] = [await freePort(), await freePort()];
  const { cert } = makeIdentity(dir, 'dns', 'DNS:dns.example.net');
  const many = Array.from(
    { length: 100 },
    (_, i) => `  local-data: "many.example.test. 60 IN A 192.0.2.${i}"`,
  );
  writeFileSync(
    join(dir, 'unbound.conf'),
    `server:
  directory: "${dir}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  module-config: "iterator"
  interface: 127.0.0.1@${port}
  interface: 127.0.0.1@${tlsPort}
  tls-port: ${tlsPort}
  tls-service-key: "dns.key"
  tls-service-pem: "dns.crt"
  access-control: 127.0.0.0/8 allow
  local-zone: "example.test." static
  local-data: "example.test. 60 IN SOA ns.example.test. root.example.test. 1 2 3 4 5"
  local-data: "www.example.test. 60 IN A 192.0.2.1"
  local-data: "www.example.test. 60 IN AAAA 2001:db8::1"
${many.join('\n')}
remote-control:
  control-enable: no
`,
  );
  const child = spawn('unbound', ['-d', '-c', join(dir, 'unbound.conf')], {
    stdio: 'pipe',
    env: { ...process.env, PATH },
  });
  const log: Buffer[] = [];
  child.stderr.on('data', (piece: Buffer) => log.push(piece));
  t.teardown(async () => {
    if (child.exitCode === null && child.kill('SIGTERM')) await once(child, 'exit');
    rmSync(dir, { recursive: true });
  });
  for (let i = 0; !(await isUp(port)); i++) {
    if (i > 100 || child.exitCode !== null)
      t.fail(`unbound does not start: ${Buffer.concat(log).toString()}`);
  }
  const dns = { spec: { transport: 'dns', address: '127.0.0.1', port } } as const;
  const tls = {
    spec: { transport: 'tls', address: '127.0.0.1', port: tlsPort, servername: 'dns.example.net' },
  } as const;
  return { dns, tls, ca: cert };
}

unboundTest('unbound: answers, absence and truncation over UDP, TCP and TLS', async (t) => {
  const { dns, tls, ca } = await startUnbound(t);
  const mismatches: string[] = [];
  const hooks = { onCaseMismatch: (name: string) => mismatches.push(name) };
  const forwards = [
    forwardTo(t, [dns], { hooks }),
    forwardTo(t, [dns], { hooks, forceTcp: true }),
    forwardTo(t, [tls], { hooks, tls: { ca } }),
  ];
  for (const forward of forwards) {
    const www = await ask(forward, query('WWW.example.test'));
    t.deepEqual(addresses(t, www), ['192.0.2.1']);
    t.is(decoded(t, www).answers?.[0]?.name, 'WWW.example.test');
    const absent = await ask(forward, query('absent.example.test', { additionals: [OPT] }));
    t.is(absent.rcode, 3);
    t.like(decoded(t, absent).authorities?.[0], { type: 'SOA', name: 'example.test' });
    const nodata = await ask(
      forward,
      query('', { questions: [{ name: 'www.example.test', type: 'MX' }] }),
    );
    t.like(nodata, { rcode: 0 });
    t.deepEqual(decoded(t, nodata).answers, []);
  }
  t.true(
    decoded(t, await ask(forwards[0] ?? t.fail(), query('many.example.test'))).flag_tc,
    'over 512 octets',
  );
  for (const forward of forwards) {
    t.is(addresses(t, await ask(forward, query('many.example.test'), 'tcp')).length, 100);
  }
  const preferring = forwardTo(t, [dns], { preferUdp: true });
  t.is(addresses(t, await ask(preferring, query('many.example.test'), 'udp')).length, 100);
  t.deepEqual(mismatches, [], 'unbound copies the question octet by octet');
});

unboundTest('unbound: hundreds of queries at once all find their answer', async (t) => {
  const { dns, tls, ca } = await startUnbound(t);
  for (const forward of [forwardTo(t, [dns]), forwardTo(t, [tls], { tls: { ca } })]) {
    const results = await Promise.all(
      Array.from({ length: 300 }, (_, i) => {
        const sent = query(i % 2 === 0 ? 'www.example.test' : `n${i}.example.test`, {
          flags: i % 4 === 0 ? dnsPacket.RECURSION_DESIRED : 0,
        });
        return ask(forward, sent).then((result) => ({ result, id: sent.readUInt16BE(0), i }));
      }),
    );
    for (const { result, id, i } of results) {
      t.is(result.rcode, i % 2 === 0 ? 0 : 3);
      t.is(decoded(t, result).id, id);
    }
  }
});
