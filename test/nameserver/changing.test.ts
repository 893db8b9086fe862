/** Names that are changed on the way through a running server: `rewrite`, `autopath`, `template`. */
import test from 'ava';
import { addressReply, replyTo, startDouble, withRcode } from '../dns/forward/double.js';
import type { Double } from '../dns/forward/double.js';
import { ask, askUntilComplete } from './client.js';
import { metricOf } from './metric.js';
import { OBJECTS } from './objects.js';
import { serve } from './served.js';

const at = ({ port }: Double): string => `127.0.0.1:${port}`;
const namesOf = (answers: readonly { name: string }[] = []): string[] =>
  answers.map(({ name }) => name);

test.serial(
  'rewrite: the upstream has the other name, the client the one it asked for',
  async (t) => {
    const upstream = await startDouble(t, (asked, send) => send(addressReply(asked, '192.0.2.9')));
    const server = await serve(t, {
      corefile: `.:53 {
rewrite name regex (.*)\\.old\\.example {1}.new.example answer auto
rewrite name suffix .moved.example .kept.example answer auto
rewrite name exact plain.example other.example
rewrite stop type ANY HINFO
forward . ${at(upstream)}
}
`,
    });
    const regex = await ask(server, 'a.b.old.example');
    t.deepEqual(regex.answers, ['A 192.0.2.9']);
    t.deepEqual(namesOf(regex.packet.answers), ['a.b.old.example']);
    t.deepEqual(namesOf(regex.packet.questions), ['a.b.old.example']);
    const suffix = await ask(server, 'x.moved.example');
    t.deepEqual(namesOf(suffix.packet.answers), ['x.moved.example']);
    const exact = await ask(server, 'plain.example');
    t.deepEqual(namesOf(exact.packet.questions), ['plain.example']);
    t.deepEqual(
      upstream.seen.map(({ asked }) => asked),
      ['a.b.new.example A', 'x.kept.example A', 'other.example A'],
    );
  },
);

test.serial(
  'rewrite: a name of ours leads to one of the cluster, which the core has [dns 92]',
  async (t) => {
    const server = await serve(t, {
      corefile: `.:53 {
rewrite name suffix .internal.example .default.svc.cluster.local answer auto
kubernetes cluster.local
}
`,
      objects: OBJECTS,
    });
    await askUntilComplete(server);
    const told = await ask(server, 'web.internal.example');
    t.deepEqual(told.answers, ['A 10.96.0.1']);
    t.deepEqual(namesOf(told.packet.answers), ['web.internal.example']);
    t.is((await ask(server, 'nope.internal.example')).rcode, 'NXDOMAIN');
  },
);

test.serial('rewrite: values of answers are put back as well', async (t) => {
  const upstream = await startDouble(t, (asked, send) => {
    const name = asked.packet.questions?.[0]?.name ?? '';
    send(replyTo(asked, [{ name, type: 'CNAME', class: 'IN', ttl: 30, data: 'b.new.example' }]));
  });
  const server = await serve(t, {
    corefile: `.:53 {
rewrite stop {
 name regex (.*)\\.old\\.example {1}.new.example
 answer name (.*)\\.new\\.example {1}.old.example
 answer value (.*)\\.new\\.example {1}.old.example
}
forward . ${at(upstream)}
}
`,
  });
  const told = await ask(server, 'a.old.example', 'CNAME');
  t.deepEqual(told.answers, ['CNAME b.old.example']);
  t.deepEqual(namesOf(told.packet.answers), ['a.old.example']);
});

test.serial('template: groups of a pattern are put into the answer', async (t) => {
  const server = await serve(t, {
    corefile: `.:53 {
template IN A ip.example {
 match ^ip-(?P<a>[0-9]+)-(?P<b>[0-9]+)-(?P<c>[0-9]+)-(?P<d>[0-9]+)[.]ip[.]example[.]$
 answer "{{ .Name }} 60 IN A {{ .Group.a }}.{{ .Group.b }}.{{ .Group.c }}.{{ .Group.d }}"
 fallthrough
}
template IN ANY . {
 rcode NXDOMAIN
}
}
`,
  });
  t.deepEqual((await ask(server, 'ip-10-95-12-8.ip.example')).answers, ['A 10.95.12.8']);
  t.is((await ask(server, 'ip-x.ip.example')).rcode, 'NXDOMAIN');
});

test.serial(
  'autopath: one query does what a search list would, and says so with a CNAME [dns 95]',
  async (t) => {
    const upstream = await startDouble(t, (asked, send) => {
      const isThere = asked.asked === 'www.example.org A';
      send(isThere ? addressReply(asked, '192.0.2.9') : withRcode(replyTo(asked), 3));
    });
    const server = await serve(t, {
      corefile: `.:53 {
prometheus 127.0.0.1:0
autopath resolv.conf
kubernetes cluster.local
forward . ${at(upstream)}
}
`,
      objects: OBJECTS,
      files: {
        'resolv.conf':
          'search default.svc.cluster.local svc.cluster.local cluster.local corp.example\n',
      },
    });
    await askUntilComplete(server);
    const before = await metricOf(server, 'coredns_autopath_success_total');
    const told = await ask(server, 'www.example.org.default.svc.cluster.local');
    t.deepEqual(told.answers, ['CNAME www.example.org', 'A 192.0.2.9']);
    t.deepEqual(namesOf(told.packet.answers), [
      'www.example.org.default.svc.cluster.local',
      'www.example.org',
    ]);
    // Names of the cluster do not leak; the node's own search domain and the name itself are asked.
    t.deepEqual(
      upstream.seen.map(({ asked }) => asked),
      ['www.example.org.corp.example A', 'www.example.org A'],
    );
    t.deepEqual((await ask(server, 'web.default.svc.cluster.local')).answers, ['A 10.96.0.1']);
    // Nothing of the list exists: the reply to the first name.
    t.is((await ask(server, 'nope.default.svc.cluster.local')).rcode, 'NXDOMAIN');
    t.is((await metricOf(server, 'coredns_autopath_success_total')) - before, 1);
  },
);
