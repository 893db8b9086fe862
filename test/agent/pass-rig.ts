/**
 * Passes over real links in a node of the test's own, with a core in this process for a lane and
 * hooks and maps that only remember what they were told. Both fail on demand.
 */
import type { ExecutionContext } from 'ava';
import { DELTA_RESULT_OFF, DELTA_SIZE, DeltaError } from '../../assembly/abi.js';
import { createAttachedPods } from '../../src/agent/attached-pods.js';
import { createPodHooks } from '../../src/agent/pod-links.js';
import { createReconciler } from '../../src/agent/reconcile.js';
import type { Outcome } from '../../src/agent/reconcile.js';
import { createSchedule } from '../../src/agent/schedule.js';
import type { StoredAttachment } from '../../src/cni/attachment-store.js';
import { createControl } from '../../src/compile/control.js';
import { parseConfig } from '../../src/config/config.js';
import { createCore } from '../../src/core/instance.js';
import type { Lane } from '../../src/core/lane-client.js';
import { SMALL_CAPACITIES } from '../../src/core/regions.js';
import type { HookedLink, Hooks } from '../../src/kernel/hooks.js';
import { netnsAt } from '../../src/kernel/netns.js';
import { listPodLinks } from '../../src/kernel/pod-link.js';
import { retirePodLinks } from '../../src/kernel/pod-retire.js';
import type { Speaker, Steering } from '../../src/kernel/steering.js';
import { ensureTrunk } from '../../src/kernel/trunk.js';
import type { SourceEvent } from '../../src/model/events.js';
import { recordingLog } from '../cni/plugin.js';
import { owner } from '../cni/verbs-rig.js';
import { HERE } from '../model/objects.js';
import type { Lab } from '../support/netns.js';

const CONFIG = JSON.stringify({
  apiVersion: 'sluice/v1alpha1',
  kind: 'SluiceConfiguration',
  source: { files: '.' },
});
/** Passes that nobody asked for are not to come in between. */
const NEVER_MS = 3_600_000;

/** What is made to fail, and how it says so; empty: nothing. */
export interface Failing {
  lane: string;
  hooks: string;
  speakers: string;
}

interface Refusing {
  /** The core answers every record that it has no room. */
  refusing: boolean;
  /** The link that no program can be attached to. */
  hooksOf: string;
}

function refuse(records: Uint8Array): void {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  for (let at = 0; at < records.length; at += DELTA_SIZE) {
    view.setUint32(at + DELTA_RESULT_OFF, DeltaError.TABLE_FULL, true);
  }
}

function innerLane(failing: Failing & Refusing): Lane {
  const core = createCore(SMALL_CAPACITIES);
  core.start({ offload: true, nowMs: 0 });
  return {
    adopted: false,
    ports: [],
    ended: new Promise(() => undefined),
    apply: (records) => {
      if (failing.lane !== '') return Promise.reject(new Error(failing.lane));
      if (failing.refusing) refuse(records);
      else core.apply(records);
      return Promise.resolve(records);
    },
    applyNames: (records) => Promise.resolve(records),
    queries: () => Promise.resolve({ every: 0, written: 0, lost: 0, queries: [] }),
    dnsCounters: () => Promise.resolve(new BigUint64Array()),
    trace: () => Promise.reject(new Error('no lane to trace in')),
    stop: () => Promise.resolve(),
  };
}

function rememberedHooks(failing: Failing & Refusing, hooked: Set<string>): Hooks {
  const hook = ({ name }: HookedLink): void => {
    if (failing.hooks !== '') throw new Error(failing.hooks);
    if (failing.hooksOf === name) throw new Error(`${name} is busy`);
    hooked.add(name);
  };
  return {
    attachTrunk: () => undefined,
    attachLoopback: hook,
    attachPod: hook,
    setAsidePod: ({ name }) => void hooked.delete(name),
    dropAside: () => undefined,
    attachUplink: () => ({ xskMap: undefined, description: '' }),
    close: () => undefined,
  };
}

/** A node; it goes with the test. */
export function passRig(t: ExecutionContext, lab: Lab) {
  const failing = { lane: '', hooks: '', speakers: '', refusing: false, hooksOf: '' };
  const hooked = new Set<string>();
  let speakers: readonly Speaker[] = [];
  const steering: Steering = {
    setSpeakers: (now) => {
      if (failing.speakers !== '') throw new Error(failing.speakers);
      speakers = now;
    },
    setOurs: () => undefined,
    changeOurs: () => undefined,
  };
  const node = lab.namespace('node');
  const net = netnsAt(node.path);
  const trunk = ensureTrunk(net, { kind: 'xdp', mtu: 1500 });
  const config = parseConfig(CONFIG, '/none/sluice.yaml', HERE);
  const { log, lines } = recordingLog();
  const control = createControl({ nodeName: HERE, capacities: SMALL_CAPACITIES });
  const hooks = rememberedHooks(failing, hooked);
  const podHooks = createPodHooks(hooks);
  const retirement = retirePodLinks(net, (problem) => t.log(problem));
  let requests = 0;
  const again = (): void => {
    requests++;
  };
  const programmed = (): Promise<Outcome | undefined> => schedule.now();
  const attached = createAttachedPods({
    ...{ net, control, log, again, programmed, retirement },
    hooks: podHooks,
    fromXdp: false,
  });
  const reconciler = createReconciler({
    ...{ config, control, log, net, hooks, podHooks, attached, trunk, steering, again },
    lane: innerLane(failing),
    retire: retirement.retire,
    uplinks: [],
    publisher: {
      publish: () => [],
      status: () => ({ podMTU: 0, tunnels: [], annotations: {} }),
      close: () => undefined,
    },
  });
  const schedule = createSchedule({ coalesceMs: 0, resyncMs: NEVER_MS }, (cause) =>
    reconciler.reconcile({ isFull: cause === 'resync' }),
  );
  t.teardown(async () => {
    await schedule.stop();
    attached.close();
    await retirement.close();
    net.close();
  });
  control.apply({ type: 'synced' });
  /** A container, and what a runtime would have attached of it. */
  const container = (id: string, n: number): StoredAttachment => ({
    ...owner(id),
    isPending: false,
    netns: lab.namespace(id).path,
    ips: [`10.1.0.${n}`, `fd00:1::${n}`],
    mtu: 1450,
    hostPorts: [],
    sinceMs: 1,
  });
  return {
    ...{ failing, hooked, node, net, control, log, lines, attached, reconciler, container },
    apply: (event: SourceEvent) => void control.apply(event),
    pass: () => reconciler.reconcile({ isFull: false }),
    fullPass: () => reconciler.reconcile({ isFull: true }),
    speakers: () => speakers,
    links: () => listPodLinks(net).map(({ name }) => name),
    requests: () => requests,
  };
}
