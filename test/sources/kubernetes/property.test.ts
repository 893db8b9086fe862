import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import { setImmediate as turn } from 'node:timers/promises';
import { createControl } from '../../../src/compile/control.js';
import type { Control } from '../../../src/compile/control.js';
import { createLog } from '../../../src/log.js';
import type { DeleteEvent, PutEvent } from '../../../src/model/events.js';
import { createFolder } from '../../../src/sources/folder.js';
import type { Connection } from '../../../src/sources/kubernetes/connection.js';
import { createSimulator } from '../../compile/simulator.js';
import { TRUNK, UPLINK, anyEvent, podLink } from '../../compile/worlds.js';
import { HERE, node, pod, put, ready, slice, webService } from '../../model/objects.js';
import { needs } from '../../support/skip.js';
import { startApiServer } from './api-server.js';
import type { ApiServer } from './api-server.js';
import { makeIdentity } from '../../support/certificates.js';
import type { Identity } from '../../support/certificates.js';
import { temporary, watchDouble } from './watched.js';
import { until } from '../../support/until.js';

const NUM_RUNS = 100;
/** A source that is silent for this long is waiting for the server. */
const STILL_MS = 12;
const CAPACITIES = {
  services: 64,
  backends: 64,
  setEntries: 512,
  maglevEntries: 16384,
  ranges: 64,
};
const LINKS = [TRUNK, UPLINK, podLink('p1', 4), podLink('p2', 5)];

/** Everything that can go wrong, each at its moment. */
const FAULTS: Record<string, (server: ApiServer) => unknown> = {
  cut: (server) => server.cut(),
  reset: (server) => server.reset(),
  end: (server) => server.end(),
  goneInStream: (server) => server.expire(true),
  goneOnRequest: (server) => server.expire(false),
  bookmark: (server) => server.bookmark(),
  hold: (server) => server.hold(),
  release: (server) => server.release(),
  repeat: (server) => server.repeat(6),
  double: ({ faults }) => (faults.isDoubling = !faults.isDoubling),
  refuse: ({ faults }) => (faults.refusals = 3),
  expirePages: ({ faults }) => Object.assign(faults, { pageSize: 1, expiredPages: 2 }),
  stall: ({ faults }) => (faults.stalledLists = 1),
  lockOut: ({ faults }) => (faults.token = 'other'),
  letIn: ({ faults }) => (faults.token = undefined),
};

type Step =
  | { readonly change: PutEvent | DeleteEvent }
  | { readonly fault: string }
  /** Changes between two faults, all at once. */
  | { readonly changes: (PutEvent | DeleteEvent)[]; readonly between: readonly [string, string] }
  | { readonly moves: number };

const GAPS = [
  ['reset', 'goneOnRequest'],
  ['cut', 'goneOnRequest'],
  ['hold', 'goneInStream'],
  ['hold', 'release'],
  ['double', 'repeat'],
] as const;
const anyDelete = anyEvent.filter(({ type }) => type === 'delete');
const anyGap = fc.record({
  changes: fc.array(fc.oneof(anyDelete, anyEvent), { minLength: 1, maxLength: 6 }),
  between: fc.constantFrom(...GAPS),
});

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: anyEvent.map((change) => ({ change })) },
  { weight: 3, arbitrary: fc.constantFrom(...Object.keys(FAULTS)).map((fault) => ({ fault })) },
  { weight: 3, arbitrary: anyGap },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 6 }).map((moves) => ({ moves })) },
);

function change(server: ApiServer, event: PutEvent | DeleteEvent): void {
  if (event.type === 'put') {
    server.put(event.kind, event.object);
    return;
  }
  const [name = '', namespace] = event.key.split('/').reverse();
  server.remove(event.kind, namespace === undefined ? { name } : { name, namespace });
}

function heal(server: ApiServer): void {
  server.release();
  const healthy = { stalledLists: 0, expiredPages: 0, refusals: 0, pageSize: 500 };
  Object.assign(server.faults, { ...healthy, token: undefined, isDoubling: false });
}

function newControl(): Control {
  const control = createControl({ nodeName: HERE, capacities: CAPACITIES });
  control.setLinks(LINKS);
  return control;
}

/** What the files source makes of the server's objects. */
function fromFiles(server: ApiServer): string[] {
  const lines: string[] = [];
  const folder = createFolder(createLog('warn', { write: (text) => lines.push(text) }));
  const list = { apiVersion: 'v1', kind: 'List', items: [...server.objects.values()] };
  const control = newControl();
  const contents = new Map([['all.json', JSON.stringify(list)]]);
  for (const event of folder.refresh(contents)) control.apply(event);
  if (lines.length > 0) throw new Error(lines.join(''));
  control.apply({ type: 'synced' });
  const simulator = createSimulator();
  simulator.apply(control.flush());
  return simulator.dump();
}

async function holds(identity: Identity, connect: (url: string) => Connection, steps: Step[]) {
  const server = await startApiServer({ identity });
  const control = newControl();
  const simulator = createSimulator();
  const quick = { baseMs: 1, maxMs: 4, answerMs: 200, watchSec: 300 };
  const watched = watchDouble(
    connect(server.url),
    { times: { ...quick, patienceMs: 10_000, snapshotMs: 1 } },
    (event) => control.apply(event),
  );
  /** Wait for requests and events; in vain, for a moment, when everything is said. */
  const moved = async (count: number): Promise<void> => {
    const moves = () => server.requests.length + watched.events.length;
    const [enough, end] = [moves() + count, performance.now() + STILL_MS];
    while (moves() < enough && performance.now() < end) await turn();
  };
  try {
    await until('all four kinds are watched', () => server.streams.size === 4);
    for (const step of steps) {
      if ('change' in step) change(server, step.change);
      else if ('fault' in step) FAULTS[step.fault]?.(server);
      else if ('changes' in step) {
        FAULTS[step.between[0]]?.(server);
        for (const each of step.changes) change(server, each);
        FAULTS[step.between[1]]?.(server);
      } else await moved(step.moves);
    }
    heal(server);
    // What comes last of each kind tells that everything before it was said.
    const last = [
      put('Service', webService('last', '10.96.0.99')),
      put('EndpointSlice', slice('last-1', 'last', [ready('10.244.2.99')])),
      put('Node', node('last', ['10.244.99.0/24'], ['192.0.2.99'])),
      put('Pod', pod('last', ['10.244.1.99'])),
    ];
    for (const event of last) change(server, event);
    const isLast = (id: string): boolean => /[ /]last(-1)?$/.test(id);
    await until(
      'all is said',
      () => control.isSynced() && watched.known().filter(isLast).length === 4,
    );
    simulator.apply(control.flush());
    const [rows, expected] = [simulator.dump().join('\n'), fromFiles(server).join('\n')];
    if (rows !== expected) throw new Error(`rows:\n${rows}\nexpected:\n${expected}`);
  } finally {
    await watched.stop();
    await server.close();
  }
}

const tlsTest = needs({ tools: ['openssl'] });

tlsTest(
  'kubernetes: any schedule of faults ends in the rows that files with the same objects give',
  async (t: ExecutionContext) => {
    const { dir, remove } = await temporary();
    t.teardown(remove);
    const identity = makeIdentity(dir, 'server');
    const connect = (url: string): Connection => ({
      server: new URL(url),
      servername: undefined,
      insecure: false,
      credentials: () =>
        Promise.resolve({ ca: identity.cert, cert: undefined, key: undefined, token: undefined }),
    });
    const seed = Number(process.env['FC_SEED'] ?? Date.now() & 0x7fffffff);
    t.log(`seed ${seed}`);
    const schedule = fc.asyncProperty(fc.array(anyStep, { maxLength: 8 }), (steps) =>
      holds(identity, connect, steps),
    );
    await fc.assert(schedule, { seed, numRuns: NUM_RUNS, endOnFailure: true });
    t.pass();
  },
);
