/**
 * A capture through the very engine that runs on a node, without root and without a kernel: every
 * frame gets its verdict or the name of its drop. The cluster is the configuration's; the node is
 * made up (src/replay/world.ts).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Action, Drop, Verdict } from '../assembly/abi.js';
import { controlOptions } from './agent/options.js';
import { createControl } from './compile/control.js';
import type { Control } from './compile/control.js';
import type { SluiceConfig } from './config/config.js';
import { createCore } from './core/instance.js';
import type { Log } from './log.js';
import { formatIgnored } from './model/ignored.js';
import { readPkt } from './ops/pkt.js';
import type { Pkt } from './ops/pkt.js';
import { readCapture } from './port/capture.js';
import { pcapHeader, pcapRecord } from './port/pcap.js';
import { CLUSTER_CAPACITIES } from './replay/capacities.js';
import { answerNames } from './replay/names.js';
import { nameNotes, rowNotes } from './replay/notes.js';
import { playFrame } from './replay/play.js';
import { MTU_DEFAULT, createWorld } from './replay/world.js';
import type { World } from './replay/world.js';
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

const MS_PER_SEC = 1000;
const REPLAY_CAPACITIES = { ...CLUSTER_CAPACITIES, flows4: 65536, flows6: 16384 };

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

async function openWorld(config: SluiceConfig, log: Log): Promise<World> {
  const control = await readCluster(config, log);
  const core = createCore(REPLAY_CAPACITIES);
  core.start({ offload: false, nowMs: 0 });
  const { dns, masquerade, uplinks, podMTU } = config;
  if (dns) {
    const nowSec = Math.floor(Date.now() / MS_PER_SEC);
    const { refused } = answerNames(core, control, dns.service, nowSec);
    for (const note of nameNotes(refused, REPLAY_CAPACITIES)) log.warn(note);
  }
  const world = createWorld({
    core,
    control,
    mtu: podMTU ?? MTU_DEFAULT,
    // Without an uplink nobody is masqueraded on a node, either.
    exempt: masquerade.outside && uplinks.length > 0 ? masquerade.nonMasqueradeCIDRs : undefined,
  });
  for (const note of rowNotes(world.problems, REPLAY_CAPACITIES)) log.warn(note);
  return world;
}

function wayOf({ links }: World, { action, outIfindex }: Pkt): string {
  const link = links.find(({ ifindex }) => ifindex === outIfindex);
  const what = Action[action];
  return action === Action.POD && link?.pod !== undefined ? `${what} ${link.pod}` : what;
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
  const world = await openWorld(config, log);
  const written: Uint8Array[] = [pcapHeader()];
  const totals: Record<string, number> = {};
  let number = 0;
  for (const captured of readCapture(readFileSync(files.input), files.input)) {
    number++;
    const { from, left } = playFrame(world, captured);
    const { verdict, frame } = left;
    const pkt = readPkt(left.pkt);
    const isDrop = verdict === Verdict.DROP;
    each({
      number,
      from,
      verdict: Verdict[verdict],
      reason: isDrop ? Drop[pkt.drop] : undefined,
      way: isDrop ? undefined : wayOf(world, pkt),
    });
    const key = isDrop ? `DROP ${Drop[pkt.drop]}` : Verdict[verdict];
    totals[key] = (totals[key] ?? 0) + 1;
    if (!isDrop) written.push(pcapRecord(captured.timeNs, frame));
  }
  if (files.output !== undefined) writeFileSync(files.output, Buffer.concat(written));
  return totals;
}
