/** Where replies come from, when a server listens at all addresses of a machine that has several. */
import { setTimeout as delay } from 'node:timers/promises';
import { labTest } from '../support/netns.js';
import { needs, whyNot } from '../support/skip.js';
import { serve } from './served.js';

const hasDig = whyNot({ tools: ['dig'] });
const declare: typeof labTest =
  hasDig === undefined
    ? labTest
    : (title) => {
        needs({ also: hasDig })(title, () => undefined);
      };

declare(
  'server: a reply comes from the address that was asked, over UDP and TCP',
  async (t, lab) => {
    const [node, client] = [lab.namespace('node'), lab.namespace('client')];
    lab.connect(
      {
        ns: node,
        ifname: 'eth0',
        addresses: ['192.0.2.1/24', '192.0.2.2/24', 'fd00::1/64', 'fd00::2/64'],
      },
      { ns: client, ifname: 'eth0', addresses: ['192.0.2.9/24', 'fd00::9/64'] },
    );
    node.run(['ip', 'addr', 'add', '10.96.0.10/32', 'dev', 'lo']);
    client.run(['ip', 'route', 'add', '10.96.0.10/32', 'via', '192.0.2.1']);
    const server = await serve(t, {
      corefile: '.:53 {\n hosts {\n 192.0.2.80 www.example.org\n }\n ready 127.0.0.1:0\n}\n',
      addresses: [],
      args: ['--port', '53'],
      by: ['nsenter', `--net=${node.path}`],
    });
    t.is(server.portOf('dns://[::]'), 53);
    const own = ['192.0.2.1', '192.0.2.2', '10.96.0.10', 'fd00::1', 'fd00::2'];
    for (const address of own) {
      for (const way of ['+notcp', '+tcp']) {
        // dig takes no reply from another address than the one it asked.
        const text = client.run([
          'dig',
          `@${address}`,
          way,
          '+tries=1',
          '+short',
          'www.example.org',
        ]);
        t.is(text, '192.0.2.80\n', `${address} ${way}`);
      }
    }
  },
);

declare('server: bind takes interfaces and addresses, also such as come later', async (t, lab) => {
  const [node, client] = [lab.namespace('node'), lab.namespace('client')];
  lab.connect(
    { ns: node, ifname: 'eth0', addresses: ['192.0.2.1/24', 'fd00::1/64'] },
    { ns: client, ifname: 'eth0', addresses: ['192.0.2.9/24', 'fd00::9/64'] },
  );
  // Link-local addresses answer nobody before duplicate address detection is over (RFC 4862 5.4).
  const isTentative = (ns: typeof node): boolean =>
    ns.run(['ip', '-6', 'addr', 'show', 'dev', 'eth0', 'tentative']).trim() !== '';
  while (isTentative(node) || isTentative(client)) await delay(50);
  const hosts = 'hosts {\n 192.0.2.80 www.example.org\n }';
  const corefile = `.:53 {\n bind eth0 169.254.20.10\n ${hosts}\n}\n.:54 {\n bind lo\n ${hosts}\n}\n`;
  await serve(t, {
    corefile,
    addresses: [],
    args: ['--port', '53'],
    by: ['nsenter', `--net=${node.path}`],
  });
  const asked = (ns: typeof node, address: string, port = '53') =>
    ns.tryRun([
      'dig',
      `@${address}`,
      '-p',
      port,
      '+tries=1',
      '+time=1',
      '+short',
      'www.example.org',
    ]).stdout;
  t.is(asked(client, '192.0.2.1'), '192.0.2.80\n');
  t.is(asked(client, 'fd00::1'), '192.0.2.80\n');
  const [link] = node.json(['ip', '-j', '-6', 'addr', 'show', 'dev', 'eth0', 'scope', 'link']) as {
    addr_info: { local?: string }[];
  }[];
  const local = link?.addr_info.find((each) => each.local)?.local ?? '';
  t.is(asked(client, `${local}%eth0`), '192.0.2.80\n');
  t.is(asked(node, '127.0.0.1', '54'), '192.0.2.80\n');
  t.not(asked(node, '127.0.0.1', '53'), '192.0.2.80\n');
  node.run(['ip', 'addr', 'add', '169.254.20.10/32', 'dev', 'lo']);
  t.is(asked(node, '169.254.20.10'), '192.0.2.80\n');
});
