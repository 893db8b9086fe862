import { netnsAt } from '../../src/kernel/netns.js';
import { checkPodLink } from '../../src/kernel/pod-check.js';
import {
  type PodLinkSpec,
  attachmentLinkName,
  attachmentMac,
  ensurePodLink,
} from '../../src/kernel/pod-link.js';
import { mendPodLimits } from '../../src/kernel/pod-upkeep.js';
import { labTest } from '../support/netns.js';

const NAME = { network: 'n', containerId: 'c', ifname: 'eth0' };
const LIMITS = {
  ingress: { rate: 10_000_001, burst: 800_000 },
  egress: { rate: 20_000_000, burst: 800_000 },
};

labTest('pod limits: which end has lost its limit is said, and it is put back', (t, lab) => {
  const [node, pod] = [lab.namespace('node'), lab.namespace('pod')];
  const net = netnsAt(node.path);
  const spec: PodLinkSpec = {
    netns: pod.path,
    ifname: 'eth0',
    hostIfname: attachmentLinkName(NAME),
    mac: attachmentMac(NAME),
    ips: ['10.1.0.2'],
    mtu: 1450,
    ...LIMITS,
  };
  const host = spec.hostIfname;
  ensurePodLink(net, spec);
  t.is(checkPodLink(net, spec), undefined);
  t.false(mendPodLimits(net, spec));
  const ends = [
    [node, host, `interface ${host} of the node`, 10_000_000],
    [pod, 'eth0', 'interface eth0 of the container', 20_000_000],
  ] as const;
  for (const [ns, dev, what, rate] of ends) {
    ns.run(['tc', 'qdisc', 'delete', 'dev', dev, 'root']);
    t.is(checkPodLink(net, spec), `${what} has no limit, expected ${rate} bit/s`);
    t.true(mendPodLimits(net, spec));
    t.is(checkPodLink(net, spec), undefined);
    const other = 'root tbf rate 8mbit burst 100kb latency 25ms'.split(' ');
    ns.run(['tc', 'qdisc', 'replace', 'dev', dev, ...other]);
    const changed = `${what} has the limit 8000000 bit/s, expected ${rate}`;
    t.is(checkPodLink(net, spec), changed);
    t.false(mendPodLimits(net, spec), 'not missing');
    ensurePodLink(net, spec);
    t.is(checkPodLink(net, spec), undefined);
  }
  net.close();
});

labTest('pod limits: a link without any may be limited by others', (t, lab) => {
  const [node, pod] = [lab.namespace('node'), lab.namespace('pod')];
  const net = netnsAt(node.path);
  const hostIfname = attachmentLinkName(NAME);
  const link = { netns: pod.path, ifname: 'eth0', hostIfname, mac: attachmentMac(NAME) };
  const spec = { ...link, ips: ['10.1.0.2'], mtu: 1450 };
  t.false(mendPodLimits(net, spec), 'there is no link');
  ensurePodLink(net, spec);
  const bucket = 'root tbf rate 8mbit burst 100kb latency 25ms'.split(' ');
  node.run(['tc', 'qdisc', 'add', 'dev', hostIfname, ...bucket]);
  t.is(checkPodLink(net, spec), undefined);
  t.false(mendPodLimits(net, spec));
  net.close();
});
