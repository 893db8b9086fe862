/**
 * A capture through the very engine that runs on a node, without root and without a kernel: every
 * frame gets its verdict or the name of its drop.
 *
 * The cluster is the configuration's. Links are made up: every local pod has one, and what comes
 * from no local pod comes from the uplink, or from the host when it is the node's own address.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import {
  Action,
  DROP_COUNT,
  Drop,
  PKTS_BASE,
  PKT_ACTION_OFF,
  PKT_DROP_OFF,
  PKT_LEN_OFF,
  PKT_OUT_IFINDEX_OFF,
  PKT_SRC_OFF,
  SCRATCH_BASE,
  SCRATCH_BYTES,
  Verdict,
} from '../assembly/abi.js';
import { familyOf, formatAddress, parseMac } from './addr.js';
import type { Address } from './addr.js';
import { controlOptions } from './agent/options.js';
import { createControl } from './compile/control.js';
import type { Control } from './compile/control.js';
import type { Link } from './compile/links.js';
import type { SluiceConfig } from './config/config.js';
import { createCore } from './core/instance.js';
import type { Core } from './core/instance.js';
import { SMALL_CAPACITIES } from './core/regions.js';
import { GATEWAY_MAC, podMac } from './kernel/pod-link.js';
import type { Log } from './log.js';
import { formatIgnored } from './model/ignored.js';
import { namedKey } from './model/keys.js';
import { pcapHeader, pcapRecord, readPcap } from './port/pcap.js';
import { openSource } from './sources/open.js';

/** What became of one frame. */
export interface Replayed {
  /** From 1. */
  readonly number: number;
  readonly from: string;
  readonly verdict: string;
  /** Drops only. */
  readonly reason: string | undefined;
  /** Where it went: `POD default/web`, `UPLINK`, `HOST`. */
  readonly way: string | undefined;
}

const HOST_IFINDEX = 1;
const UPLINK_IFINDEX = 2;
const FIRST_POD_IFINDEX = 3;
const MTU_DEFAULT = 1500;
const NS_PER_MS = 1_000_000n;
/** Frames lie in the lower half of SCRATCH. */
const FRAME_MAX = SCRATCH_BYTES / 2;
const REPLAY_CAPACITIES = { ...SMALL_CAPACITIES, flows4: 65536, flows6: 16384 };

interface World {
  readonly core: Core;
  readonly control: Control;
  /** Ingress link by the sender's address. */
  readonly linkOf: ReadonlyMap<string, number>;
  readonly names: ReadonlyMap<number, string>;
}

/** Read the source once. */
async function readCluster(config: SluiceConfig, log: Log): Promise<Control> {
  const { nodeName } = config;
  const control = createControl({ ...controlOptions(config), capacities: REPLAY_CAPACITIES });
  const over = new AbortController();
  const { source } = config;
  const events = openSource({ source, nodeName, stateDir: undefined, log, signal: over.signal });
  for await (const event of events) {
    for (const part of control.apply(event)) log.warn(formatIgnored(part));
    if (event.type === 'synced') break;
  }
  over.abort();
  return control;
}

async function createWorld(config: SluiceConfig, log: Log): Promise<World> {
  const control = await readCluster(config, log);
  const core = createCore(REPLAY_CAPACITIES);
  core.start({ offload: false, nowMs: 0 });
  const mac = parseMac(GATEWAY_MAC);
  const linkOf = new Map<string, number>();
  const names = new Map<number, string>();
  const pods = control.localPods().map(({ pod, addresses }, i): Link => {
    const ifindex = FIRST_POD_IFINDEX + i;
    const slash = pod.indexOf('/');
    const key = { namespace: pod.slice(0, slash), name: pod.slice(slash + 1) };
    names.set(ifindex, pod);
    for (const address of addresses) linkOf.set(formatAddress(address), ifindex);
    return {
      kind: 'pod',
      pod: namedKey(key.namespace, key.name),
      ifindex,
      mtu: config.podMTU ?? MTU_DEFAULT,
      ownMac: mac,
      mac: parseMac(podMac(key)),
    };
  });
  for (const address of control.nodeAddresses()) linkOf.set(formatAddress(address), HOST_IFINDEX);
  control.setLinks([
    { kind: 'host', ifindex: HOST_IFINDEX, mtu: config.podMTU ?? MTU_DEFAULT, ownMac: mac },
    {
      kind: 'uplink',
      name: 'uplink',
      ifindex: UPLINK_IFINDEX,
      mtu: config.podMTU ?? MTU_DEFAULT,
      ownMac: mac,
    },
    ...pods,
  ]);
  core.apply(control.flush());
  return { core, control, linkOf, names };
}

/** Ingress of a frame: parsed once for its source, by the core itself. */
function ingressOf(world: World, length: number): { ifindex: number; from: string } {
  const { core, linkOf } = world;
  core.exports.parseFrame(SCRATCH_BASE, length);
  const source = core.view.slice(PKTS_BASE + PKT_SRC_OFF, PKTS_BASE + PKT_SRC_OFF + 16);
  if (source.every((byte) => byte === 0)) return { ifindex: UPLINK_IFINDEX, from: '-' };
  const address: Address = { bytes: source, family: familyOf(source) };
  const from = formatAddress(address);
  return { ifindex: linkOf.get(from) ?? UPLINK_IFINDEX, from };
}

function wayOf(world: World, action: Action, ifindex: number): string {
  const name = world.names.get(ifindex);
  const what = Action[action];
  return action === Action.POD && name !== undefined ? `${what} ${name}` : what;
}

/**
 * Replay a capture.
 *
 * @param each  told of every frame in order
 * @returns     how many frames got which verdict
 * @throws      DataplaneError ERR_USAGE for a file that is no capture
 */
export async function replay(
  config: SluiceConfig,
  files: { readonly input: string; readonly output: string | undefined },
  log: Log,
  each: (frame: Replayed) => void,
): Promise<Record<string, number>> {
  const world = await createWorld(config, log);
  const { core } = world;
  const written: Uint8Array[] = [pcapHeader()];
  const totals: Record<string, number> = {};
  let number = 0;
  for (const { bytes, timeNs } of readPcap(readFileSync(files.input), files.input)) {
    number++;
    const length = Math.min(bytes.length, FRAME_MAX);
    core.view.set(bytes.subarray(0, length), SCRATCH_BASE);
    const nowMs = Number(timeNs / NS_PER_MS) % 2 ** 32;
    const { ifindex, from } = ingressOf(world, length);
    const verdict: Verdict = core.exports.processFrame(ifindex, SCRATCH_BASE, length, nowMs);
    const pkt = (offset: number): number => core.view[PKTS_BASE + offset] ?? 0;
    const isDrop = verdict === Verdict.DROP;
    const out = core.words.getUint32(PKTS_BASE + PKT_OUT_IFINDEX_OFF, true);
    each({
      number,
      from,
      verdict: Verdict[verdict],
      reason: isDrop ? (Drop[pkt(PKT_DROP_OFF)] ?? String(DROP_COUNT)) : undefined,
      way: isDrop ? undefined : wayOf(world, pkt(PKT_ACTION_OFF), out),
    });
    const key = isDrop ? `DROP ${Drop[pkt(PKT_DROP_OFF)] ?? ''}` : Verdict[verdict];
    totals[key] = (totals[key] ?? 0) + 1;
    if (isDrop) continue;
    const len = core.words.getUint32(PKTS_BASE + PKT_LEN_OFF, true);
    written.push(pcapRecord(timeNs, core.view.slice(SCRATCH_BASE, SCRATCH_BASE + len)));
  }
  if (files.output !== undefined) writeFileSync(files.output, Buffer.concat(written));
  return totals;
}
