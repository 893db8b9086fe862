/** What the agent says of a node whose routes it cannot all follow. */
import { parseAddress } from '../../src/addr.js';
import { createOutsideSurvey } from '../../src/agent/outside.js';
import type { Control } from '../../src/compile/control.js';
import type { Link } from '../../src/compile/links.js';
import type { Outside } from '../../src/compile/outside.js';
import { parseConfig } from '../../src/config/config.js';
import { findLink } from '../../src/kernel/link.js';
import { netnsAt } from '../../src/kernel/netns.js';
import { labTest } from '../support/netns.js';

const CONFIG = 'apiVersion: sluice/v1alpha1\nkind: SluiceConfiguration\nsource: {files: .}\n';

labTest(
  'outside: more routes than can be followed are a problem that is told, and masquerading goes on',
  (t, lab) => {
    const [ns, far] = [lab.namespace('node'), lab.namespace('far')];
    lab.connect({ ns, ifname: 'eth0', addresses: ['192.0.2.1/24'] }, { ns: far, ifname: 'eth0' });
    const net = netnsAt(ns.path);
    const { ifindex } = findLink(net.rtnl, 'eth0') ?? { ifindex: 0 };
    const eth0: Link = {
      kind: 'uplink',
      name: 'eth0',
      ifindex,
      mtu: 1500,
      ownMac: new Uint8Array(6),
    };
    let outside: Outside | undefined;
    const control = {
      nodeAddresses: () => [parseAddress('192.0.2.1')],
      setOutside: (now: Outside) => (outside = now),
    } as unknown as Control;
    const survey = createOutsideSurvey({
      ...{ net, control, again: () => undefined },
      config: parseConfig(CONFIG, '/none/sluice.yaml', 'here'),
    });
    const batch = (verb: string): string =>
      Array.from({ length: 1500 }, (_, i) => {
        const network = `10.${(2 * i) >> 8}.${(2 * i) & 255}.0/24`;
        return `route ${verb} blackhole ${network}\n`;
      }).join('');
    ns.run(['ip', 'route', 'add', 'default', 'via', '192.0.2.9']);
    ns.run(['ip', '-batch', '-'], { input: batch('add') });
    survey.survey([eth0]);
    t.is(outside?.routes.length, 1024);
    t.is(outside?.routes.find(({ cidr }) => cidr.prefixLen === 0)?.uplink, ifindex);
    t.deepEqual(survey.problems().length, 1);
    t.regex(survey.problems().join(), /1501 routes that differ, and 1024 can be followed/);
    ns.run(['ip', '-batch', '-'], { input: batch('delete') });
    survey.survey([eth0]);
    t.deepEqual(survey.problems(), []);
    net.close();
  },
);
