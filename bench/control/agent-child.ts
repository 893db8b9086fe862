/**
 * The agent's own reconciler, operations and status file over a large cluster, in a namespace of
 * its own: real links, routes, tables. The lane is a core in this process, so that what is measured
 * can end where a delta is sent.
 *
 *   agent-child.ts JSON     JSON: AgentSpec of agent.ts
 *
 * Loads the cluster and says "ready"; for every line of input it makes so many changes and answers
 * with a line of JSON, AgentTimes of agent.ts.
 */
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { createOperations } from '../../src/agent/operations.js';
import { createPodHooks } from '../../src/agent/pod-links.js';
import { createPublisher } from '../../src/agent/publish.js';
import { createReconciler } from '../../src/agent/reconcile.js';
import { createStatusFile } from '../../src/agent/status-file.js';
import { createControl } from '../../src/compile/control.js';
import { loadConfig } from '../../src/config/config.js';
import { createCore } from '../../src/core/instance.js';
import type { Lane } from '../../src/core/lane-client.js';
import { LAYOUT_HASH } from '../../src/core/layout-hash.js';
import type { Capacities } from '../../src/core/regions.js';
import { createHooks } from '../../src/kernel/hooks.js';
import { preparePinDir } from '../../src/kernel/host.js';
import { openMaps } from '../../src/kernel/maps.js';
import { ownNetns } from '../../src/kernel/netns.js';
import { createSteering } from '../../src/kernel/steering.js';
import { ensureTrunk } from '../../src/kernel/trunk.js';
import { createLog } from '../../src/log.js';
import type { SourceEvent } from '../../src/model/events.js';
import { NODE_NAME } from '../core/cluster.js';
import { createCounters } from '../../src/sources/counters.js';
import type { AgentSpec, AgentTimes } from './agent.js';
import { changeEvent, clusterEvents, collectGarbage } from './scale.js';

/** Time between two changes: longer than changes are gathered for. */
const PAUSE_MS = 25;

/** A lane without a thread. @param sent  is told when records arrive */
function createInnerLane(capacities: Capacities, sent: () => void): Lane {
  const core = createCore(capacities);
  core.start({ offload: true, nowMs: 0 });
  return {
    adopted: false,
    ports: [],
    ended: new Promise(() => undefined),
    apply: (records) => {
      sent();
      core.apply(records);
      return Promise.resolve(records);
    },
    applyNames: (records) => Promise.resolve(records),
    queries: () => Promise.resolve({ every: 0, written: 0, lost: 0, queries: [] }),
    dnsCounters: () => Promise.resolve(new BigUint64Array()),
    trace: () => Promise.reject(new Error('no lane to trace in')),
    stop: () => Promise.resolve(),
  };
}

const NO_PODS: readonly never[] = [];

/** As agent.ts puts it together, without hooks on devices and without a source. */
function createAgent(spec: AgentSpec, sent: () => void) {
  const config = loadConfig(spec.config, NODE_NAME);
  const log = createLog('warn');
  preparePinDir(config.pinDir);
  const net = ownNetns();
  const trunk = ensureTrunk(net, {
    kind: 'xdp',
    mtu: config.podMTU ?? 1500,
    prefix: config.trunk.name,
  });
  const { flows4, flows6, links, frontends, routes } = config.capacities;
  const ours = frontends + routes;
  const maps = openMaps(config.pinDir, { flows4, flows6, links, ours, layout: LAYOUT_HASH });
  const lane = createInnerLane({ ...config.capacities, ringBytes: 1 << 20 }, sent);
  const control = createControl({ nodeName: NODE_NAME, capacities: config.capacities });
  const parts = { config, control, lane, log, net, trunk, uplinks: [] };
  const hooks = createHooks(maps);
  const podHooks = createPodHooks(hooks);
  const nothing = (): void => undefined;
  const attached = { pods: () => NO_PODS, has: () => false, look: nothing, takeOver: nothing };
  const steering = createSteering(maps);
  const again = (): void => undefined;
  const publisher = createPublisher({ config, control, log, annotator: undefined, again });
  const reconciler = createReconciler({
    ...parts,
    hooks,
    podHooks,
    retire: () => false,
    attached,
    steering,
    publisher,
    again,
  });
  const operations = createOperations({
    config,
    control,
    log,
    version: '',
    source: createCounters(),
    post: () => undefined,
  });
  const status = createStatusFile({ config, lane, control, log, overlay: publisher.status });
  return {
    notice: (event: SourceEvent): void => {
      operations.noticed(event, control.apply(event));
    },
    pass: async (isFull: boolean): Promise<void> => {
      const done = await operations.observe(() => reconciler.reconcile({ isFull }));
      const [problem] = done.problems;
      if (problem !== undefined) throw new Error(problem);
      status.update(done);
    },
  };
}

const spec = JSON.parse(process.argv[2] ?? '{}') as AgentSpec;
let sentAt = 0;
const agent = createAgent(spec, () => {
  sentAt = performance.now();
});
for (const event of clusterEvents(spec.scale)) if (event.kind !== 'Pod') agent.notice(event);
agent.notice({ type: 'synced' });
await agent.pass(true);
collectGarbage();
console.log('ready');

let made = 0;
async function change(): Promise<{ sent: number; applied: number; late: number }> {
  const event = changeEvent(spec.scale, made++);
  const due = performance.now() + PAUSE_MS;
  await setTimeout(PAUSE_MS);
  const begin = performance.now();
  agent.notice(event);
  await agent.pass(false);
  return { sent: sentAt - begin, applied: performance.now() - begin, late: begin - due };
}

for await (const line of createInterface({ input: process.stdin })) {
  const times: AgentTimes = { sent: [], applied: [], late: [] };
  for (let i = 0; i < Number(line); i++) {
    const { sent, applied, late } = await change();
    times.sent.push(sent);
    times.applied.push(applied);
    times.late.push(late);
  }
  console.log(JSON.stringify(times));
}
process.exit(0);
