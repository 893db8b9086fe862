/**
 * Frames of 64 bytes through a node, client → ClusterIP → server, against the kernel with
 * conntrack and kube-proxy's rules on the same veths:
 *
 *   net/flow-udp64/N  N flows; rows that the lane stored, executed by XDP on the uplink
 *   net/lane          ten thousand flows; nothing executed by the kernel: rx, WebAssembly, tx
 *
 * The generator, both links and the counter share one processor in both variants; the lane has
 * the other one. Only one variant is on at a time.
 */
import type { Context, Result, Suite } from '../harness.js';
import { missingTools } from './sh.js';
import { missingNative } from './sluice.js';
import { startUplink } from './uplink.js';
import { runWire } from './wire-run.js';
import { createWire, KUBE_PROXY } from './wire.js';

const RIVAL = 'kernel conntrack DNAT and routing, kube-proxy nftables rules, same veths';

async function runThrough(
  context: Context,
  options: { readonly name: string; readonly flows: number; readonly offload: boolean },
): Promise<Result[]> {
  const wire = createWire(context.scope);
  const uplink = await startUplink(context.scope, wire, options.offload);
  return runWire(context, {
    ...options,
    from: wire.c0,
    sink: wire.s0,
    path: wire.path,
    uplink,
    node: wire.d0,
    rules: KUBE_PROXY,
    rival: RIVAL,
  });
}

function suite(name: string, flows: number, offload: boolean): Suite {
  return {
    names: [name],
    missing: () => Promise.resolve(missingTools('nft', 'ethtool', 'sysctl') ?? missingNative()),
    run: (context) => runThrough(context, { name, flows, offload }),
  };
}

export const suites: readonly Suite[] = [
  suite('net/flow-udp64/1', 1, true),
  suite('net/flow-udp64/10k', 10_000, true),
  suite('net/lane', 10_000, false),
];
