/**
 * core/new-flow/10k-services: the first packet of a UDP flow from a pod to one of ten thousand
 * services: parse, classify, look-up that finds nothing, service, route, two rows, rewrite.
 * Every frame is a new flow; the table is emptied between passes, outside the clock.
 */
import { RegionId } from '../../assembly/abi.js';
import { parseMac } from '../../src/addr.js';
import { SMALL_CAPACITIES, type Capacities } from '../../src/core/regions.js';
import { namedKey } from '../../src/model/keys.js';
import { alone, type Context, type Result, type Suite } from '../harness.js';
import { pinSelf, SUBJECT_CPU } from '../pin.js';
import { compileCluster, NAMESPACE, type ServiceSpec } from './cluster.js';
import { FRAME_LEN, writeUdpFrame, xorshift32 } from './inputs.js';
import { applyRecords, createWorld, missingModule } from './world.js';

const SERVICES = 10_000;
const ENDPOINTS = 3;
const PORT = 53;
/** New flows a pass; with two rows each, a third of the table. */
const FLOWS = 200_000;
const PASSES_MIN = 9;
const CAPACITIES: Capacities = {
  ...SMALL_CAPACITIES,
  flows4: 1 << 20,
  frontends: 2 * SERVICES,
  services: SERVICES,
  backends: ENDPOINTS * SERVICES,
  setEntries: 2 * ENDPOINTS * SERVICES,
  // A set of three has a table of 509 slots.
  maglevEntries: 512 * SERVICES,
  frames: 8192,
  frameSize: 2048,
};
const POD = { name: 'client', address: '10.244.0.5', netns: '/none' };
const POD_ADDR = 0x0af40005;
const POD_IFINDEX = 5;
/** 10.96.0.0 */
const SERVICE_NET = 0x0a600000;
const SEED = 88172645;

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

function serviceSpec(i: number): ServiceSpec {
  return {
    name: `service-${i}`,
    clusterIP: dotted(SERVICE_NET + i + 1),
    protocol: 'UDP',
    port: PORT,
    targetPort: 5353,
    // 10.128.0.0/9, the other node's pods
    endpoints: Array.from({ length: ENDPOINTS }, (_, k) => dotted(0x0a800001 + ENDPOINTS * i + k)),
  };
}

function clusterRecords(): Uint8Array {
  const ownMac = parseMac('02:53:00:00:00:01');
  const { records } = compileCluster({
    capacities: CAPACITIES,
    services: Array.from({ length: SERVICES }, (_, i) => serviceSpec(i)),
    pods: [POD],
    links: [
      {
        kind: 'pod',
        pod: namedKey(NAMESPACE, POD.name),
        ifindex: POD_IFINDEX,
        mac: parseMac('02:00:00:00:00:05'),
        ownMac,
        mtu: 1500,
      },
      { kind: 'uplink', name: 'up', ifindex: 2, ownMac, mtu: 1500 },
    ],
    remotePods: '10.128.0.0/9',
  });
  return records;
}

function run(context: Context): Promise<Result[]> {
  pinSelf(context.scope, SUBJECT_CPU);
  const { core, exports } = createWorld(CAPACITIES);
  context.note(`compiling ${SERVICES} services`);
  applyRecords(core, clusterRecords());
  const { base } = core.region(RegionId.UMEM);
  const random = xorshift32(SEED);
  for (let i = 0; i < FLOWS; i++) {
    // (service, source port) never repeats: every frame begins a flow.
    const service = random() % SERVICES;
    const tuple = { src: POD_ADDR, dst: SERVICE_NET + service + 1, dstPort: PORT };
    writeUdpFrame(core.words, base + i * FRAME_LEN, { ...tuple, srcPort: 1024 + (i % 60_000) }, i);
  }
  const frames = core.view.subarray(base, base + FLOWS * FRAME_LEN);
  const pristine = frames.slice();
  const pass = (nowMs: number): number => {
    frames.set(pristine);
    exports.benchFlowClear();
    const begin = process.hrtime.bigint();
    const sent = exports.benchNewFlow(base, FLOWS, FRAME_LEN, FRAME_LEN, POD_IFINDEX, nowMs);
    const ns = Number(process.hrtime.bigint() - begin) / FLOWS;
    // Some runs of the table are full at this density, and a few tuples repeat.
    if (sent < FLOWS * 0.999) throw new Error(`${sent} of ${FLOWS} first packets were sent`);
    return ns;
  };
  pass(1);
  const passes = context.quick ? context.samples : Math.max(context.samples, PASSES_MIN);
  const values = Array.from({ length: passes }, (_, i) => pass(i + 2));
  const label = { name: 'core/new-flow/10k-services', unit: 'ns/packet', better: 'lower' } as const;
  return Promise.resolve([alone(label, values)]);
}

export const suites: readonly Suite[] = [
  {
    names: ['core/new-flow/10k-services'],
    missing: () => Promise.resolve(missingModule()),
    run,
  },
];
