import test from 'ava';
import { setUpLog } from '../../../src/dns/plugins/log.js';
import { parseName } from '../../../src/dns/wire/name.js';
import { parseText } from '../../support/corefile.js';
import { ask, contextOf, setUp, upstream } from './harness.js';
import type { Asked } from './harness.js';

const BLOCK = 'cluster.local {\nview pods {\nexpr true\n}\nkubernetes\n}\n';

/** The line that a query leaves. */
async function lineOf(format: string, asked: Asked): Promise<string> {
  const lines: string[] = [];
  const log = { child: () => ({ info: (line: string) => void lines.push(line) }) } as never;
  const block = parseText(BLOCK).blocks[0]?.directives ?? [];
  const context = contextOf({ log, block, zones: [parseName('cluster.local')] });
  const { next } = upstream(() => ({}));
  await setUp(setUpLog, `log . "${format}"`, context).handle(ask(asked), next);
  return lines.join('|');
}

test('log: the transport is udp or tcp; TLS is tcp', async (t) => {
  for (const [transport, proto] of [
    ['udp', 'udp'],
    ['tcp', 'tcp'],
    ['tls', 'tcp'],
  ] as const) {
    t.is(await lineOf('{proto} {name}', { name: 'a.test', transport }), `${proto} a.test.`);
  }
});

const PARTS = ['kind', 'namespace', 'service', 'endpoint', 'protocol', 'port-name'];
const FORMAT = PARTS.map((part) => `{/kubernetes/${part}}`).join(' ');

for (const [name, line] of [
  ['web.shop.svc.cluster.local', 'svc shop web - - -'],
  ['WEB-0.web.shop.svc.Cluster.Local', 'svc shop web web-0 - -'],
  ['_http._tcp.web.shop.svc.cluster.local', 'svc shop web - tcp http'],
  ['10-1-2-3.shop.pod.cluster.local', 'pod shop 10-1-2-3 - - -'],
  ['shop.svc.cluster.local', 'svc shop - - - -'],
  ['a.b.c.d.shop.svc.cluster.local', '- - - - - -'],
  ['x.cluster.local', '- - - - - -'],
  ['web.shop.svc.example.org', '- - - - - -'],
] as const) {
  test(`log: metadata of ${name} is ${line}`, async (t) => {
    t.is(await lineOf(FORMAT, { name }), line);
  });
}

test('log: metadata of the client and the view; what is not known is a dash', async (t) => {
  const format =
    '{/kubernetes/client-namespace} {/kubernetes/client-pod-name} {/view/name} {/forward/upstream}';
  const pod = { namespace: 'shop', name: 'web-0' };
  t.is(await lineOf(format, { name: 'a.test', pod }), 'shop web-0 pods -');
  t.is(await lineOf(format, { name: 'a.test' }), '- - pods -');
});

test('log: a placeholder that is none is refused', (t) => {
  for (const field of ['{nope}', '{/nope}', '{/}']) {
    t.throws(() => setUp(setUpLog, `log . "${field}"`), {
      message: `Corefile:2: log: "${field}": unknown placeholder "${field}"`,
    });
  }
});
