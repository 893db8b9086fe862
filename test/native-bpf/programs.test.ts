import { existsSync, mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import {
  CONTROL_BYTES,
  CONTROL_LAYOUT_OFF,
  CONTROL_MAGIC,
  CONTROL_MAGIC_OFF,
} from '../../assembly/abi.js';
import {
  closeMaps,
  createDeviceMap,
  createXskMap,
  type MapCapacities,
  type Maps,
  openMaps,
} from '../../src/kernel/maps.js';
import { attachTc, attachXdp, cleanup, detach, loadProgram } from '../../src/kernel/programs.js';
import { closeFd, mapInfo, mapLookup, mapUpdate, mountBpffs, unmount } from '../../src/native.js';
import { ip, namespace, rootTest, veth } from '../native/root.js';

const LAYOUT = 0xfeed0001;
const CAPS: MapCapacities = { flows4: 256, flows6: 64, links: 16, ours: 16, layout: LAYOUT };
const KEY0 = new Uint8Array(4);

/** A BPF file system of the test's own, gone with everything in it when the test ends. */
function pinDir(t: ExecutionContext): string {
  const mount = mkdtempSync(join(tmpdir(), 'sluice-pins-'));
  mountBpffs(mount);
  t.teardown(() => {
    unmount(mount);
    rmdirSync(mount);
  });
  return join(mount, 'sluice');
}

function open(t: ExecutionContext, dir: string, caps: MapCapacities = CAPS): Maps {
  const maps = openMaps(dir, caps);
  t.teardown(() => {
    closeMaps(maps);
  });
  return maps;
}

/** What the core does when it starts. */
function claim(maps: Maps, layout: number): void {
  const page = Buffer.alloc(CONTROL_BYTES);
  page.writeUInt32LE(CONTROL_MAGIC, CONTROL_MAGIC_OFF);
  page.writeUInt32LE(layout, CONTROL_LAYOUT_OFF);
  mapUpdate(maps.fds.control, KEY0, page);
}

function flowId(maps: Maps): number {
  return mapInfo(maps.fds.flows4).id;
}

rootTest('maps: an agent that restarts finds the maps it left', (t) => {
  const dir = pinDir(t);
  const first = open(t, dir);
  t.false(first.adopted);
  t.deepEqual(first.warnings, []);
  claim(first, LAYOUT);
  const second = open(t, dir);
  t.true(second.adopted);
  t.deepEqual(second.warnings, []);
  t.is(flowId(second), flowId(first));
  const page = mapLookup(second.fds.control, KEY0, CONTROL_BYTES);
  t.is(Buffer.from(page ?? []).readUInt32LE(CONTROL_MAGIC_OFF), CONTROL_MAGIC);
});

rootTest('maps: another layout or size makes new ones, and one warning says why', (t) => {
  const dir = pinDir(t);
  const first = open(t, dir);
  claim(first, LAYOUT);
  const otherLayout = open(t, dir, { ...CAPS, layout: LAYOUT + 1 });
  t.false(otherLayout.adopted);
  t.is(otherLayout.warnings.length, 1);
  t.regex(otherLayout.warnings[0] ?? '', /layout is feed0001, expected feed0002/);
  t.not(flowId(otherLayout), flowId(first));
  // Who may speak where did not change with the layout.
  t.is(mapInfo(otherLayout.fds.links).id, mapInfo(first.fds.links).id);
  claim(otherLayout, LAYOUT + 1);
  const otherSize = open(t, dir, { ...CAPS, layout: LAYOUT + 1, flows4: 512 });
  t.false(otherSize.adopted);
  t.regex(otherSize.warnings[0] ?? '', /flows4 has maxEntries 256, expected 512/);
  t.is(mapInfo(otherSize.fds.flows4).maxEntries, 512);
});

rootTest('maps: without a bpffs or with a table of odd size there is one clear error', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-no-bpffs-'));
  const error = t.throws(() => openMaps(join(dir, 'maps-only'), CAPS));
  t.regex(error.message, new RegExp(`maps under ${dir}`));
  rmdirSync(join(dir, 'maps-only', 'maps'));
  rmdirSync(join(dir, 'maps-only'));
  rmdirSync(dir);
  t.throws(() => openMaps(dir, { ...CAPS, flows6: 1000 }), { message: /flows6 is 1000/ });
});

rootTest('programs: every program passes the verifier with the maps of an agent', (t) => {
  const maps = open(t, pinDir(t));
  const xsks = createXskMap(4);
  const device = createDeviceMap();
  t.teardown(() => {
    closeFd(xsks);
    closeFd(device);
  });
  const names = [
    'pod_ingress',
    'trunk_ingress',
    'trunk_egress',
    'uplink_ingress',
    'uplink_xdp',
    'lane_xdp',
    'host_egress',
  ] as const;
  for (const name of names) {
    const fd = loadProgram(name, { ...maps.fds, xsks, device });
    t.true(fd > 0, name);
    closeFd(fd);
  }
  t.throws(() => loadProgram('lane_xdp', maps.fds), { message: /lane_xdp wants map xsks/ });
});

rootTest('programs: a link outlives its maker, takes a new program, and goes with its pin', (t) => {
  const dir = pinDir(t);
  const maps = open(t, dir);
  const netns = namespace(t);
  const [a] = veth(
    { netns, ifname: 'va', macByte: 1 },
    { netns: namespace(t), ifname: 'vb', macByte: 2 },
  );
  const target = { ifindex: a.ifindex, pinName: 'v.a', netnsFd: netns.fd };
  const attach = (): boolean => {
    const progFd = loadProgram('pod_ingress', maps.fds);
    try {
      return attachTc(dir, progFd, 'ingress', target);
    } finally {
      closeFd(progFd);
    }
  };
  t.false(attach());
  t.true(attach());
  t.deepEqual(readdirSync(join(dir, 'links')), ['v%2ea']);
  t.true(detach(dir, 'v.a'));
  t.false(detach(dir, 'v.a'));
  t.false(attach());
});

rootTest('programs: a device made anew under the old name is attached to anew', (t) => {
  const dir = pinDir(t);
  const maps = open(t, dir);
  const netns = namespace(t);
  const peer = namespace(t);
  const progFd = loadProgram('pod_ingress', maps.fds);
  t.teardown(() => {
    closeFd(progFd);
  });
  for (const macByte of [1, 3]) {
    const [a] = veth(
      { netns, ifname: 'va', macByte },
      { netns: peer, ifname: 'vb', macByte: macByte + 1 },
    );
    const target = { ifindex: a.ifindex, pinName: 'va', netnsFd: netns.fd };
    t.false(attachTc(dir, progFd, 'ingress', target));
    ip('-n', netns.name, 'link', 'del', 'va');
  }
  // The link of a device that is gone can still be taken away.
  t.true(detach(dir, 'va'));
});

rootTest('programs: XDP is native where the driver has it, generic else, and says so', (t) => {
  const dir = pinDir(t);
  const maps = open(t, dir);
  const netns = namespace(t);
  const [a] = veth(
    { netns, ifname: 'va', macByte: 1 },
    { netns: namespace(t), ifname: 'vb', macByte: 2 },
  );
  ip('-n', netns.name, 'link', 'add', 'br0', 'type', 'bridge');
  const [bridge] = JSON.parse(ip('-n', netns.name, '-j', 'link', 'show', 'br0')) as {
    ifindex: number;
  }[];
  const xsks = createXskMap(1);
  const device = createDeviceMap();
  const progFd = loadProgram('uplink_xdp', { ...maps.fds, xsks, device });
  t.teardown(() => {
    closeFd(progFd);
    closeFd(xsks);
    closeFd(device);
  });
  const onVeth = { ifindex: a.ifindex, pinName: 'va', netnsFd: netns.fd };
  t.deepEqual(attachXdp(dir, progFd, onVeth), { mode: 'native' });
  t.deepEqual(attachXdp(dir, progFd, onVeth), { mode: 'unchanged' });
  const onBridge = { ifindex: bridge?.ifindex ?? 0, pinName: 'br0', netnsFd: netns.fd };
  const { mode, reason } = attachXdp(dir, progFd, onBridge);
  t.is(mode, 'generic');
  t.regex(reason ?? '', /EOPNOTSUPP/);
  const error = t.throws(() => attachXdp(dir, progFd, { ...onVeth, pinName: 'second' }));
  t.regex(error.message, /XDP program of second .*EBUSY/);
});

rootTest('cleanup: nothing of ours is left, and a second time is no error', (t) => {
  const dir = pinDir(t);
  const maps = open(t, dir);
  const netns = namespace(t);
  const [a] = veth(
    { netns, ifname: 'va', macByte: 1 },
    { netns: namespace(t), ifname: 'vb', macByte: 2 },
  );
  const progFd = loadProgram('trunk_egress', maps.fds);
  t.teardown(() => {
    closeFd(progFd);
  });
  attachTc(dir, progFd, 'egress', { ifindex: a.ifindex, pinName: 'va', netnsFd: netns.fd });
  cleanup(dir);
  t.false(existsSync(dir));
  cleanup(dir);
});
