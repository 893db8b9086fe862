import test from 'ava';
import type { ExecutionContext } from 'ava';
import { createBacklog, IP_FAMILIES } from '../../src/ops/backlog.js';
import { createHealth, formatTime } from '../../src/ops/health.js';
import { listen } from '../../src/http-server.js';
import { projectNode } from '../../src/model/nodes.js';
import { HERE, node, put, ready, slice, webService } from '../model/objects.js';
import { ask } from './request.js';

const START_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 0);
const EVENT = put('Service', webService('web', '10.96.0.1'));

async function rig(t: ExecutionContext, isSynced = true) {
  const clock = { ms: START_MS, isAlive: true };
  const now = () => clock.ms;
  const backlog = createBacklog(now);
  const answers: string[] = [];
  const health = createHealth({
    backlog,
    now,
    isLaneAlive: () => clock.isAlive,
    answered: (endpoint, status) => answers.push(`${endpoint} ${status}`),
  });
  const listener = await listen({ host: '127.0.0.1', port: 0 }, health.handler);
  t.teardown(listener.close);
  if (isSynced) {
    backlog.add({ type: 'synced' });
    backlog.begin();
    backlog.settle(IP_FAMILIES);
  }
  const statuses = async () => {
    const [healthz, livez] = [
      await ask(listener.port, '/healthz'),
      await ask(listener.port, '/livez'),
    ];
    t.is(health.isHealthy(), livez.status === 200);
    return [healthz.status, livez.status];
  };
  return { clock, backlog, health, answers, port: listener.port, statuses };
}

test('health check: a change that waits for the limit is 503 on both, the pass that programs it 200 [proxy 82]', async (t) => {
  const { clock, backlog, statuses } = await rig(t);
  t.deepEqual(await statuses(), [200, 200]);
  clock.ms += 3_600_000;
  t.deepEqual(await statuses(), [200, 200], 'nothing waits');
  backlog.add(EVENT);
  clock.ms += 59_999;
  t.deepEqual(await statuses(), [200, 200]);
  backlog.add(EVENT);
  clock.ms += 1;
  t.deepEqual(await statuses(), [503, 503], 'the oldest change counts');
  backlog.begin();
  backlog.settle([]);
  t.deepEqual(await statuses(), [503, 503], 'a pass that fails programs nothing');
  backlog.begin();
  backlog.settle(IP_FAMILIES);
  t.deepEqual(await statuses(), [200, 200]);
});

test('health check: a change that arrives during a pass waits for the next one [proxy 82]', async (t) => {
  const { clock, backlog, statuses } = await rig(t);
  backlog.begin();
  backlog.add(EVENT);
  backlog.settle(IP_FAMILIES);
  clock.ms += 60_000;
  t.deepEqual(await statuses(), [503, 503]);
});

test('health check: nothing is due before the source has said all it knows [proxy 82]', async (t) => {
  const { clock, backlog, statuses } = await rig(t, false);
  backlog.add(EVENT);
  clock.ms += 120_000;
  t.deepEqual(await statuses(), [200, 200]);
  backlog.add({ type: 'synced' });
  clock.ms += 60_000;
  t.deepEqual(await statuses(), [503, 503]);
});

test('health check: a node that is tainted, deleting or gone is 503 on /healthz alone [proxy 83]', async (t) => {
  const { health, statuses } = await rig(t);
  const own = node(HERE, [], []);
  const taints = [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }];
  health.setNode(undefined);
  t.deepEqual(await statuses(), [200, 200], 'never seen');
  health.setNode(projectNode({ ...own, spec: { taints } }));
  t.deepEqual(await statuses(), [503, 200]);
  health.setNode(
    projectNode({ ...own, spec: { taints: [{ key: 'other', effect: 'NoExecute' }] } }),
  );
  t.deepEqual(await statuses(), [200, 200]);
  const deletionTimestamp = '2026-01-01T00:00:00Z';
  health.setNode(projectNode({ ...own, metadata: { name: HERE, deletionTimestamp } }));
  t.deepEqual(await statuses(), [503, 200]);
  health.setNode(projectNode(own));
  t.deepEqual(await statuses(), [200, 200]);
  health.setNode(undefined);
  t.deepEqual(await statuses(), [503, 200], 'seen, and gone');
});

test('health check: one family that is stuck is 503 with the status of each [proxy 84]', async (t) => {
  const { clock, backlog, port } = await rig(t);
  backlog.add(put('EndpointSlice', slice('web-6', 'web', [ready('fd00::1')])));
  clock.ms += 70_000;
  backlog.begin();
  backlog.settle(['IPv4']);
  const livez = await ask(port, '/livez');
  t.is(livez.status, 503);
  t.is(
    livez.body,
    '{"lastUpdated":"2026-01-02T03:05:15Z","currentTime":"2026-01-02T03:05:15Z","healthy":false,' +
      '"status":{"IPv4":{"lastUpdated":"2026-01-02T03:05:15Z","healthy":true},' +
      '"IPv6":{"lastUpdated":"2026-01-02T03:04:05Z","healthy":false}}}',
  );
});

test('health: a silent lane is 503 on both until it turns again', async (t) => {
  const { clock, statuses } = await rig(t);
  clock.isAlive = false;
  t.deepEqual(await statuses(), [503, 503]);
  clock.isAlive = true;
  t.deepEqual(await statuses(), [200, 200]);
});

test('health: headers, bodies and unknown paths are those of kube-proxy', async (t) => {
  const { clock, port, answers, health } = await rig(t);
  clock.ms += 1_250;
  const healthz = await ask(port, '/healthz?verbose', 'POST');
  t.is(healthz.headers['content-type'], 'application/json');
  t.is(healthz.headers['x-content-type-options'], 'nosniff');
  const status =
    '"status":{"IPv4":{"lastUpdated":"2026-01-02T03:04:05Z","healthy":true},' +
    '"IPv6":{"lastUpdated":"2026-01-02T03:04:05Z","healthy":true}}}';
  const time = '2026-01-02T03:04:06.25Z';
  t.is(
    healthz.body,
    `{"lastUpdated":"${time}","currentTime":"${time}","nodeEligible":true,"healthy":true,${status}`,
  );
  health.setNode({ ...projectNode(node(HERE, [], [])), isLeaving: true });
  const leaving = await ask(port, '/healthz');
  t.is(
    leaving.body,
    `{"lastUpdated":"2026-01-02T03:04:05Z","currentTime":"${time}","nodeEligible":false,"healthy":true,${status}`,
  );
  t.is((await ask(port, '/readyz')).status, 404);
  t.deepEqual(answers, ['healthz 200', 'healthz 503']);
});

test('health: times are written as Go writes them', (t) => {
  t.is(formatTime(START_MS), '2026-01-02T03:04:05Z');
  t.is(formatTime(START_MS + 5_100), '2026-01-02T03:04:10.1Z');
  t.is(formatTime(START_MS + 7), '2026-01-02T03:04:05.007Z');
});
