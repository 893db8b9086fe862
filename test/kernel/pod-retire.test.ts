import { type Netns, netnsAt } from '../../src/kernel/netns.js';
import { type PodLinkSpec, ensurePodLink, listPodLinks } from '../../src/kernel/pod-link.js';
import { listRetired, retirePodLinks } from '../../src/kernel/pod-retire.js';
import { type Lab, type Namespace, labTest } from '../support/netns.js';

function node(lab: Lab): { ns: Namespace; net: Netns } {
  const ns = lab.namespace('node');
  ns.run(['ip', 'address', 'add', '192.0.2.1/32', 'dev', 'lo']);
  return { ns, net: netnsAt(ns.path) };
}

function pod(lab: Lab, n: number): PodLinkSpec {
  const { path } = lab.namespace(`p${n}`);
  return {
    netns: path,
    ifname: 'eth0',
    hostIfname: `slc0000000000${n}`,
    mac: `0a:00:00:00:00:0${n}`,
    ips: [`10.1.0.${n}`, `fd00:1::${n}`],
    mtu: 1450,
  };
}

function never(problem: Error): void {
  throw problem;
}

labTest('pod link: name and addresses of a retired one are free at once', async (t, lab) => {
  const { ns, net } = node(lab);
  const [a, b] = [pod(lab, 2), pod(lab, 3)];
  const retirement = retirePodLinks(net, never);
  ensurePodLink(net, a);
  t.true(retirement.retire(a.hostIfname));
  t.false(retirement.retire(a.hostIfname), 'there is none any more');
  t.notRegex(ns.run(['ip', 'route']) + ns.run(['ip', '-6', 'route']), /10\.1\.0\.2|fd00:1::2/);
  t.deepEqual(listPodLinks(net), []);
  // Another pod, the same name and addresses, while the old link may still be there.
  t.false(ensurePodLink(net, { ...b, hostIfname: a.hostIfname, ips: a.ips }).adopted);
  await retirement.close();
  t.deepEqual(listRetired(net), []);
  t.is(listPodLinks(net).length, 1);
  for (const ip of a.ips) t.is(ns.tryRun(['ping', '-c', '1', '-W', '2', ip]).status, 0, ip);
  net.close();
});

labTest('pod link: a retired one makes room for its successor in the container', async (t, lab) => {
  const { ns, net } = node(lab);
  const [a, b] = [pod(lab, 2), pod(lab, 3)];
  const retirement = retirePodLinks(net, never);
  ensurePodLink(net, a);
  ensurePodLink(net, b);
  // The kernel is busy with one, so that the other is still there, and so is its far end.
  t.true(retirement.retire(b.hostIfname));
  t.true(retirement.retire(a.hostIfname));
  t.false(ensurePodLink(net, a).adopted);
  await retirement.close();
  t.deepEqual(
    listPodLinks(net).map(({ name }) => name),
    [a.hostIfname],
  );
  for (const ip of a.ips) t.is(ns.tryRun(['ping', '-c', '1', '-W', '2', ip]).status, 0, ip);
  net.close();
});

labTest('pod link: many retire while the first is being deleted, and all go', async (t, lab) => {
  const { ns, net } = node(lab);
  const before = ns.run(['ip', '-o', 'link']);
  const pods = [2, 3, 4, 5, 6, 7].map((n) => pod(lab, n));
  for (const spec of pods) ensurePodLink(net, spec);
  const retirement = retirePodLinks(net, never);
  for (const { hostIfname } of pods) t.true(retirement.retire(hostIfname));
  t.true(listRetired(net).length > 1, 'the event loop does not wait for the kernel');
  await retirement.drain();
  t.is(ns.run(['ip', '-o', 'link']), before);
  await retirement.close();
  net.close();
});

labTest('pod link: what a crash left retired is gone after the next start', async (t, lab) => {
  const { net } = node(lab);
  const [a, b] = [pod(lab, 2), pod(lab, 3)];
  ensurePodLink(net, a);
  ensurePodLink(net, b);
  // Retired by a process that did not live to see it deleted.
  const crashed = retirePodLinks(net, never);
  crashed.retire(a.hostIfname);
  const next = retirePodLinks(net, never);
  await next.close();
  await crashed.close();
  t.deepEqual(listRetired(net), []);
  t.deepEqual(
    listPodLinks(net).map(({ name }) => name),
    [b.hostIfname],
  );
  net.close();
});

labTest('pod link: what is no veth is not retired', (t, lab) => {
  const { ns, net } = node(lab);
  ns.run(['ip', 'link', 'add', 'slc00000000002', 'type', 'bridge']);
  const retirement = retirePodLinks(net, never);
  t.throws(() => retirement.retire('slc00000000002'), { code: 'ERR_KERNEL', message: /bridge/ });
  t.regex(ns.run(['ip', '-d', 'link', 'show', 'slc00000000002']), /bridge/);
  void retirement.close();
  net.close();
});
