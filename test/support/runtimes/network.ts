/** The network under test: what a node needs for it, and the plugin objects of its lists. */
import { chmodSync, cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from '../libcni/config.js';
import { BIN_DIR, CONF_DIR, type Cell } from './cell.js';

/** Debian's package containernetworking-plugins. */
export const DEBIAN_PLUGINS = '/usr/lib/cni';

/** A node of two that see each other and the outside by eth0. */
export interface Node {
  readonly number: 1 | 2;
  readonly cell: Cell;
  readonly ipv4: string;
  readonly ipv6: string;
}

export interface PodNetwork {
  readonly name: string;
  /** It takes port mappings itself: no portmap behind it. */
  readonly mapsPorts: boolean;
  /** The plugin that makes the pod's interface. */
  plugin(node: Node): Json;
  /** Whatever must run on the nodes before the first ADD. @returns how to end it */
  start(nodes: readonly Node[]): Promise<() => Promise<void>>;
  /** Lines of a node's state that it leaves behind by its nature. */
  readonly tolerates?: RegExp;
}

/** Pods of a node. */
export function podSubnets({ number }: Node): readonly [string, string] {
  return [`10.244.${String(number)}.0/24`, `fd00:10:0:${String(number)}::/64`];
}

/** host-local, both families. */
export function hostLocal(node: Node): Json {
  return {
    type: 'host-local',
    ranges: podSubnets(node).map((subnet) => [{ subnet }]),
    routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
  };
}

/** Write the only configuration list of a node. */
export function writeList(node: Node, name: string, plugins: readonly Json[]): void {
  const list = { cniVersion: '0.4.0', name, plugins };
  writeFileSync(node.cell.path(join(CONF_DIR, '10-pods.conflist')), JSON.stringify(list));
}

export function installDebianPlugins({ cell }: Node): void {
  cpSync(DEBIAN_PLUGINS, cell.path(BIN_DIR), { recursive: true });
}

export function portmap(): Json {
  return { type: 'portmap', capabilities: { portMappings: true } };
}

/** The plugins of a network that publishes ports. @param runtimeConfig  asked for by the list itself */
export function publishing(node: Node, network: PodNetwork, runtimeConfig?: Json): Json[] {
  const extra = runtimeConfig && { runtimeConfig };
  const plugin = network.plugin(node);
  if (!network.mapsPorts) return [plugin, { ...portmap(), ...extra }];
  return [{ ...plugin, capabilities: { portMappings: true }, ...extra }];
}

/** A chained plugin whose ADD fails, and which has nothing to take back. */
export function installFailing({ cell }: Node): Json {
  const file = cell.path(join(BIN_DIR, 'failing'));
  const error = JSON.stringify({ cniVersion: '0.4.0', code: 107, msg: 'failing as asked' });
  const versions = JSON.stringify({ cniVersion: '0.4.0', supportedVersions: ['0.4.0', '1.0.0'] });
  writeFileSync(
    file,
    `#!/bin/sh
case $CNI_COMMAND in
  ADD) echo '${error}'; exit 1 ;;
  VERSION) echo '${versions}' ;;
esac
`,
  );
  chmodSync(file, 0o755);
  return { type: 'failing' };
}

/** The reference: Debian's bridge with host-local, and plain routes between the nodes. */
export const BRIDGE: PodNetwork = {
  name: 'bridge',
  mapsPorts: false,
  plugin: (node) => ({
    type: 'bridge',
    bridge: 'cni0',
    isGateway: true,
    ipMasq: true,
    hairpinMode: true,
    ipam: hostLocal(node),
  }),
  async start(nodes) {
    for (const node of nodes) {
      for (const other of nodes.filter((one) => one !== node)) {
        const [pods4, pods6] = podSubnets(other);
        node.cell.run(['ip', 'route', 'add', pods4, 'via', other.ipv4]);
        node.cell.run(['ip', 'route', 'add', pods6, 'via', other.ipv6]);
      }
    }
    return () => Promise.resolve();
  },
  // The bridge stays, and so do the chains of portmap; bridge forgets its masquerading when the
  // namespace is gone before DEL.
  tolerates: /cni0|last_reserved_ip|\/lock$|^nft /,
};
