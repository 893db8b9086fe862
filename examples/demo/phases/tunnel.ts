/** Between nodes of different networks: VXLAN, which nobody has configured. */
import { expect } from '../checks.js';
import type { Check } from '../checks.js';
import { IPERF_PORT } from '../cluster.js';
import { UPLINK_MTU } from '../topology.js';
import type { World } from '../world.js';

const STREAM_SEC = 1;
const TUNNEL = 'slv4';
/** IPv4, UDP, VXLAN and the Ethernet header inside: RFC 7348. */
const VXLAN_BYTES = 20 + 8 + 8 + 14;
const FAMILIES = ['ipv4', 'ipv6'] as const;

interface LinkCount {
  readonly stats64: { readonly tx: { readonly packets: number } };
}

/** Packets that a node has sent by the tunnel. */
function sentByTunnel({ topology }: World): number {
  const { ns } = topology.nodes.alpha;
  const [link] = ns.json(['ip', '-j', '-s', 'link', 'show', TUNNEL]) as LinkCount[];
  return link?.stats64.tx.packets ?? 0;
}

export async function tunnelPhase(world: World, check: Check): Promise<void> {
  const { topology, agents, clients } = world;
  const { 'shell-1': shell, 'web-3': far } = topology.pods;
  const mtu = UPLINK_MTU - VXLAN_BYTES;
  await check('both nodes have chosen VXLAN by themselves', () => {
    const said = Object.values(agents).map((agent) => {
      const overlay = agent.status().agent?.overlay;
      const names = overlay?.tunnels.map(({ name }) => name).join();
      expect(names === TUNNEL, `${agent.node.name} has tunnels ${names ?? 'none'}`);
      return `${agent.node.name}: ${TUNNEL}, MTU of pods ${overlay?.podMTU ?? 0}`;
    });
    return said.join('; ');
  });
  for (const family of FAMILIES) {
    const name = family === 'ipv4' ? 'IPv4' : 'IPv6';
    await check(`pod to pod by the tunnel, ${name}: iperf3 stream`, async () => {
      const before = sentByTunnel(world);
      const result = await clients.iperf(shell.ns, far[family], IPERF_PORT, STREAM_SEC);
      const sent = sentByTunnel(world) - before;
      expect(sent > 0, `${TUNNEL} has carried nothing`);
      return `${result.gbitPerSec.toFixed(2)} Gbit/s, ${sent} packets by ${TUNNEL}`;
    });
  }
  await check(
    'a packet of the MTU of pods passes whole, one of a byte more is told so',
    async () => {
      const passes = FAMILIES.map(async (family) => {
        const fits = await clients.pingWhole(shell.ns, far[family], mtu);
        expect(fits === '', `${mtu} bytes: ${fits}`);
        const tooLong = await clients.pingWhole(shell.ns, far[family], mtu + 1);
        expect(tooLong.includes(String(mtu)), `${mtu + 1} bytes: ${tooLong}`);
      });
      await Promise.all(passes);
      return `${mtu} bytes, both families`;
    },
  );
}
