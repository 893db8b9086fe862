/** Events that the agent posts, against the double of the API server. */
import test, { type ExecutionContext } from 'ava';
import { createLog } from '../../../src/log.js';
import { createEventPoster } from '../../../src/sources/kubernetes/events.js';
import type { ClusterEvent, EventTimes } from '../../../src/sources/kubernetes/events.js';
import { startApiServer } from './api-server.js';
import { makeIdentity } from '../../support/certificates.js';
import { temporary } from './watched.js';

const NOW = Date.UTC(2026, 0, 1);
const TIMES = { baseMs: 1, maxMs: 2, answerMs: 5_000, repeatMs: 60_000, refillMs: 1_000 };

const event = (note: string, name = 'web'): ClusterEvent => ({
  regarding: { kind: 'Service', namespace: 'default', name },
  reason: 'FailedToStartServiceHealthcheck',
  action: 'Listen',
  note,
});

async function rig(t: ExecutionContext, times: Partial<EventTimes> = {}) {
  const { dir, remove } = await temporary();
  t.teardown(remove);
  const identity = makeIdentity(dir, 'server');
  const server = await startApiServer({ identity });
  const clock = { ms: NOW };
  const lines: string[] = [];
  const log = createLog('info', { write: (line: string) => lines.push(line) });
  const connection = {
    server: new URL(server.url),
    servername: undefined,
    insecure: false,
    credentials: () =>
      Promise.resolve({ ca: identity.cert, cert: undefined, key: undefined, token: 't' }),
  };
  const poster = createEventPoster({
    connection,
    nodeName: 'node-a',
    log,
    times: { ...TIMES, ...times },
    now: () => clock.ms,
  });
  t.teardown(async () => {
    await poster.close();
    await server.close();
  });
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise((settle) => setTimeout(settle, 5));
  };
  return { server, poster, clock, lines, until };
}

test('events: one is posted as client-go would', async (t) => {
  const { server, poster, until } = await rig(t);
  poster.post(event('port 30000 is taken'));
  await until(() => server.events.length === 1);
  t.deepEqual(server.events[0], {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { namespace: 'default', name: `web.${(BigInt(NOW) * 1_000_000n).toString(16)}` },
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'sluice',
    reportingInstance: 'node-a',
    regarding: { apiVersion: 'v1', kind: 'Service', namespace: 'default', name: 'web' },
    action: 'Listen',
    reason: 'FailedToStartServiceHealthcheck',
    note: 'port 30000 is taken',
    type: 'Warning',
  });
  t.is(server.requests[0], '/apis/events.k8s.io/v1/namespaces/default/events');
});

test('events: the same one is not posted again for a while', async (t) => {
  const { server, poster, clock, until } = await rig(t);
  poster.post(event('a'));
  poster.post(event('a'));
  poster.post(event('b'));
  await until(() => server.events.length === 2);
  clock.ms += TIMES.repeatMs;
  poster.post(event('a'));
  await until(() => server.events.length === 3);
  t.deepEqual(
    server.events.map(({ note }) => note),
    ['a', 'b', 'a'],
  );
});

test('events: 25 in a row, then one each refill', async (t) => {
  const { server, poster, clock, until } = await rig(t);
  for (let i = 0; i < 40; i++) poster.post(event(`n${i}`));
  await until(() => server.events.length === 25);
  clock.ms += TIMES.refillMs;
  poster.post(event('one more'));
  poster.post(event('too many'));
  await until(() => server.events.length === 26);
  t.is(server.events.at(-1)?.['note'], 'one more');
});

test('events: a server that is away is tried again, one that refuses is not', async (t) => {
  const { server, poster, lines, until } = await rig(t);
  server.faults.refusals = 3;
  poster.post(event('late'));
  await until(() => server.events.length === 1);
  t.is(server.requests.length, 4);
  server.faults.eventStatus = 403;
  poster.post(event('forbidden'));
  await until(() => lines.length === 1);
  t.is(server.requests.length, 5);
  t.regex(lines[0] ?? '', /event lost: the API server answered 403/);
});

test('events: what never gets through is given up and said', async (t) => {
  const { server, poster, lines, until } = await rig(t);
  server.faults.eventStatus = 500;
  poster.post(event('never'));
  await until(() => lines.length === 1);
  t.is(server.requests.length, 12);
  await poster.close();
  poster.post(event('after the end'));
  t.is(server.requests.length, 12);
});
