/**
 * A text of Kubernetes objects, a node to look from and a capture: what the node would do with every
 * frame. Pure but for the core's own memory; the page shows it, the tests read it.
 */
import { parseCidr } from '../src/addr.js';
import type { Cidr } from '../src/addr.js';
import type { Control } from '../src/compile/control.js';
import { instantiatorOf, openCore } from '../src/core/core.js';
import { flowsOf } from '../src/embed/core.js';
import { DataplaneError } from '../src/errors.js';
import type { PutEvent } from '../src/model/events.js';
import type { Flow } from '../src/ops/flow-rows.js';
import type { CapturedFrame } from '../src/port/captured-frame.js';
import { CLUSTER_CAPACITIES } from '../src/replay/capacities.js';
import { makeNode } from '../src/replay/node.js';
import { clockOf, playFrame } from '../src/replay/play.js';
import type { Played } from '../src/replay/play.js';
import type { World } from '../src/replay/world.js';
import { readManifests } from '../src/sources/manifests.js';

export interface Settings {
  /** Empty: the first node there is. */
  readonly nodeName: string;
  /** Prefixes, separated by commas or spaces. */
  readonly serviceCIDRs: string;
}

/** What of a text cannot be used. */
export interface Complaint {
  readonly line: number;
  /** One sentence with line and key. */
  readonly sentence: string;
}

export interface PlayedFrame {
  readonly number: number;
  readonly captured: CapturedFrame;
  readonly played: Played;
}

export interface Scene {
  readonly world: World;
  /** What has programmed it. */
  readonly control: Control;
  readonly nodeName: string;
  /** Every node of the cluster. */
  readonly nodes: readonly string[];
  readonly frames: readonly PlayedFrame[];
  /** Parts of objects that cannot be used, a sentence each. */
  readonly notes: readonly string[];
  readonly names: number;
}

const NO_NODE = 'node';
const MS_PER_SEC = 1000;

/** @returns the objects of a text, or what is wrong with its first bad one */
export function readCluster(text: string): readonly PutEvent[] | Complaint {
  try {
    const { events, bad } = readManifests(text, 'cluster');
    const [first] = bad;
    const [finding] = first?.findings ?? [];
    if (first === undefined || finding === undefined) return events;
    const { line, key, value, expectation } = finding;
    const what = key === '' ? value : `${key} is ${value}`;
    return { line, sentence: `Line ${line}: ${first.name}: ${what}: ${expectation}.` };
  } catch (error) {
    if (!(error instanceof DataplaneError)) throw error;
    const [, line = '1', said = error.message] =
      /^cluster:(\d+):\d+: (.*)$/.exec(error.message) ?? [];
    return { line: Number(line), sentence: `Line ${line}: ${said}.` };
  }
}

/** @returns what is wrong with the settings; undefined: nothing */
export function checkSettings({ serviceCIDRs }: Settings): string | undefined {
  try {
    cidrsOf(serviceCIDRs);
    return undefined;
  } catch (error) {
    if (error instanceof DataplaneError) return `Service ranges: ${error.message}.`;
    throw error;
  }
}

function cidrsOf(text: string): Cidr[] {
  return text
    .split(/[\s,]+/)
    .filter((part) => part !== '')
    .map(parseCidr);
}

/** Names of the Node objects, or else of the nodes that pods say they are on. */
export function nodesOf(events: readonly PutEvent[]): string[] {
  const nodes = events.flatMap((event) => {
    const name = event.kind === 'Node' ? event.object.metadata?.name : undefined;
    return name === undefined ? [] : [name];
  });
  const hosts = events.flatMap((event) => {
    const name = event.kind === 'Pod' ? event.object.spec?.nodeName : undefined;
    return name === undefined ? [] : [name];
  });
  return [...new Set(nodes.length > 0 ? nodes : hosts)];
}

/** A node with the cluster programmed, and a capture played through it. */
export function createScene(
  module: WebAssembly.Module,
  events: readonly PutEvent[],
  settings: Settings,
  capture: readonly CapturedFrame[],
): Scene {
  const nodes = nodesOf(events);
  const [first = NO_NODE] = nodes;
  const nodeName = nodes.includes(settings.nodeName) ? settings.nodeName : first;
  const core = openCore(instantiatorOf(module), CLUSTER_CAPACITIES);
  core.start({ offload: false, nowMs: 0 });
  const serviceCIDRs = cidrsOf(settings.serviceCIDRs);
  const capacities = CLUSTER_CAPACITIES;
  const { control, settle } = makeNode(core, { nodeName, capacities, serviceCIDRs });
  const { world, notes, names } = settle(events, Math.floor(Date.now() / MS_PER_SEC));
  const frames = capture.map((captured, i) => ({
    number: i + 1,
    captured,
    played: playFrame(world, captured),
  }));
  return { world, control, nodeName, nodes, frames, notes, names };
}

/** The live rows, at the time of the last frame. */
export function liveFlows({ world: { core }, frames }: Scene): Flow[] {
  return flowsOf(core, clockOf(frames.at(-1)?.captured.timeNs ?? 0n));
}
