import test from 'ava';
import { createProgrammingTimes } from '../../src/nameserver/programming-times.js';
import { createCluster } from '../../src/model/cluster.js';
import type { SourceEvent } from '../../src/model/events.js';

const TRIGGER = 'endpoints.kubernetes.io/last-change-trigger-time';
const START_MS = Date.parse('2026-01-02T03:04:05Z');

function service(name: string, clusterIP: string): SourceEvent {
  const metadata = { namespace: 'ns', name };
  return { type: 'put', kind: 'Service', object: { metadata, spec: { clusterIP, ports: [] } } };
}

/** @param atSec  of the change, after the start; undefined: nobody says */
function slice(of: string, address: string, atSec: number | undefined): SourceEvent {
  const at = atSec === undefined ? undefined : new Date(START_MS + atSec * 1000).toISOString();
  return {
    type: 'put',
    kind: 'EndpointSlice',
    object: {
      metadata: {
        namespace: 'ns',
        name: `${of}-1`,
        labels: { 'kubernetes.io/service-name': of },
        annotations: at === undefined ? {} : { [TRIGGER]: at },
      },
      addressType: 'IPv4',
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
      ports: [],
    },
  };
}

function rig() {
  const cluster = createCluster('');
  const seen: number[] = [];
  let nowSec = 0;
  const metrics = {
    count: () => undefined,
    set: () => undefined,
    observe: (name: string, value: number) => {
      seen.push(value);
    },
  };
  const times = createProgrammingTimes(cluster.named, metrics, () => START_MS + nowSec * 1000);
  const say = (event: SourceEvent): void => {
    times.noticed(event);
    if (event.type !== 'synced') times.touched(cluster.apply(event).names);
  };
  const program = (fromSec: number, toSec: number): number[] => {
    nowSec = fromSec;
    const flushed = times.flushing();
    nowSec = toSec;
    flushed();
    return seen.splice(0);
  };
  say(service('headless', 'None'));
  say(service('other', '10.0.0.1'));
  return { say, program, times };
}

test('programming times: from the change of a headless Service to the end of its flush', (t) => {
  const { say, program } = rig();
  say({ type: 'synced' });
  say(slice('headless', '10.1.0.1', 1));
  t.deepEqual(program(2, 4), [3]);
  t.deepEqual(program(5, 6), [], 'once');
  say(slice('headless', '10.1.0.2', 7));
  say(slice('headless', '10.1.0.3', 8));
  t.deepEqual(program(9, 10), [3, 2], 'each change');
});

test('programming times: what is no such change is not counted', (t) => {
  const { say, program } = rig();
  say(slice('headless', '10.1.0.1', 1));
  t.deepEqual(program(2, 3), [], 'before the source has said what there was');
  say({ type: 'synced' });
  say(slice('headless', '10.1.0.2', 1));
  say(slice('headless', '10.1.0.3', -5));
  say(slice('headless', '10.1.0.4', undefined));
  say(slice('other', '10.1.0.5', 2));
  t.deepEqual(program(4, 5), []);
  say(slice('headless', '10.1.0.4', 6));
  t.deepEqual(program(7, 8), [], 'no name has changed');
});

test('programming times: what comes during a flush is of the next one', (t) => {
  const { say, program, times } = rig();
  say({ type: 'synced' });
  say(slice('headless', '10.1.0.1', 1));
  const flushed = times.flushing();
  say(slice('headless', '10.1.0.2', 2));
  flushed();
  t.deepEqual(program(3, 4).slice(1), [2]);
});
