/** Where a server listens, which server block is asked there, and how it ends when it cannot begin. */
import test from 'ava';
import { ask, askUntilComplete } from './client.js';
import { OBJECTS, WEB } from './objects.js';
import { serve, start } from './served.js';

const hosts = (zone: string, address: string, more = ''): string =>
  `${zone}:53 {\n ${more}\n hosts {\n ${address} www.${zone}\n }\n}\n`;
/** Queries of so many sockets: the kernel chooses by the port where it has a choice. */
const QUERIES = 24;

test.serial(
  'bind: a block with the address of --bind and one without are asked by all queries there',
  async (t) => {
    const corefile = hosts('a.test', '192.0.2.1', 'bind 127.0.0.1') + hosts('b.test', '192.0.2.2');
    const server = await serve(t, { corefile });
    for (let i = 0; i < QUERIES; i++) {
      t.deepEqual((await ask(server, 'www.a.test')).answers, ['A 192.0.2.1']);
      t.deepEqual((await ask(server, 'www.b.test')).answers, ['A 192.0.2.2']);
    }
  },
);

test.serial('bind: an address of its own is served by the blocks that name it alone', async (t) => {
  const corefile = hosts('a.test', '192.0.2.1', 'bind 127.0.0.1') + hosts('b.test', '192.0.2.2');
  const server = await serve(t, { corefile, addresses: [] });
  await server.said(/^dns:\/\/127.0.0.1:.*tcp/);
  const port = server.portOf('dns://127.0.0.1');
  t.is(port, server.portOf('dns://0.0.0.0'));
  for (let i = 0; i < QUERIES; i++) {
    t.deepEqual((await ask({ port }, 'www.a.test')).answers, ['A 192.0.2.1']);
    t.is((await ask({ port }, 'www.b.test')).rcode, 'REFUSED');
    const elsewhere = { port, host: '127.0.0.2' };
    t.is((await ask(elsewhere, 'www.a.test')).rcode, 'REFUSED');
    t.deepEqual((await ask(elsewhere, 'www.b.test')).answers, ['A 192.0.2.2']);
  }
});

test.serial('bind: ports that become one by --port are one listener', async (t) => {
  const first = await serve(t, { corefile: hosts('a.test', '192.0.2.1') });
  const { port } = first;
  await first.stop();
  const second = hosts('b.test', '192.0.2.2').replace('b.test:53', `b.test:${port}`);
  const server = await serve(t, {
    corefile: hosts('a.test', '192.0.2.1') + second,
    args: ['--port', String(port)],
  });
  for (let i = 0; i < QUERIES; i++) {
    t.deepEqual((await ask(server, 'www.a.test')).answers, ['A 192.0.2.1']);
    t.deepEqual((await ask(server, 'www.b.test')).answers, ['A 192.0.2.2']);
  }
});

test.serial(
  'forward: an address that --bind and --port lead away from is another server',
  async (t) => {
    const corefile = '.:53 {\n forward . 127.0.0.53\n}\n';
    const server = await serve(t, { corefile });
    t.is(await server.stop(), 0);
  },
);

test.serial('kubernetes: the root is a zone like any other, addresses below it', async (t) => {
  for (const line of ['kubernetes', 'kubernetes .']) {
    const server = await serve(t, { corefile: `.:53 {\n ${line}\n}\n`, objects: OBJECTS });
    await askUntilComplete(server);
    const name = WEB.replace(/\.cluster\.local$/, '');
    t.deepEqual((await ask(server, name)).answers, ['A 10.96.0.1']);
    t.deepEqual((await ask(server, '1.0.96.10.in-addr.arpa', 'PTR')).answers, [`PTR ${name}`]);
    const { rcode, packet } = await ask(server, 'none.example.org');
    t.is(rcode, 'NXDOMAIN');
    t.deepEqual(
      packet.authorities?.map(({ name: owner, type }) => `${owner} ${type}`),
      ['. SOA'],
    );
    t.is(await server.stop(), 0);
  }
});

test.serial('what names cannot be made of ends the start in one sentence', async (t) => {
  const corefile = '.:53 {\n kubernetes cluster.local {\n labels app in (web\n }\n}\n';
  const server = start(t, { corefile, objects: OBJECTS });
  t.is(await server.ended, 1);
  t.is(server.lines().length, 1);
  t.regex(
    server.lines()[0]?.msg ?? '',
    /^sluice: kubernetes labels: "app in \(web": expected a selector/,
  );
});
