import test from 'ava';
import { setUpLoadbalance } from '../../../src/dns/plugins/loadbalance.js';
import { ask, claimed, setUp, told, upstream } from './harness.js';

const ADDRESSES = ['192.0.2.1', '10.1.0.1', '192.0.2.2', '10.2.0.1'];
const { next } = upstream(({ name }) => ({
  answers: ADDRESSES.map((data) => ({ type: 'A' as const, name, ttl: 9, data })),
}));

const orderOf = async (text: string): Promise<string[]> => {
  const reply = await setUp(setUpLoadbalance, text).handle(ask('example.org'), next);
  return told(reply).answer.map((line) => line.split(' ')[3] ?? '');
};

test('loadbalance: prefer stands in braces, and puts its prefixes in front', async (t) => {
  for (const text of [
    'loadbalance {\nprefer 10.0.0.0/8\n}',
    'loadbalance round_robin {\nprefer 10.1.0.0/16 10.2.0.0/16\n}',
    'loadbalance {\nprefer 10.1.0.0/16\nprefer 10.2.0.0/16\n}',
  ]) {
    const order = await orderOf(text);
    t.deepEqual(order.slice(0, 2).sort(), ['10.1.0.1', '10.2.0.1'], text);
    t.deepEqual(order.toSorted(), ADDRESSES.toSorted(), text);
  }
});

test('loadbalance: the core shuffles by itself unless somebody is preferred', (t) => {
  for (const text of ['loadbalance', 'loadbalance round_robin', 'loadbalance {\n}']) {
    t.is(claimed(setUp(setUpLoadbalance, text)), 'none', text);
  }
  t.is(claimed(setUp(setUpLoadbalance, 'loadbalance {\nprefer 10.0.0.0/8\n}')), 'all');
});

for (const [text, complaint] of [
  ['loadbalance prefer 10.0.0.0/8', 'Corefile:2: loadbalance: "prefer": expected round_robin'],
  ['loadbalance weighted f', 'Corefile:2: loadbalance: "weighted": expected round_robin'],
  ['loadbalance {\nreload 3s\n}', 'Corefile:3: loadbalance: unknown property "reload"'],
  [
    'loadbalance {\nprefer\n}',
    'Corefile:3: loadbalance prefer: expected a prefix such as 10.0.0.0/8',
  ],
] as const) {
  test(`loadbalance: ${JSON.stringify(text)} is refused by name`, (t) => {
    t.throws(() => setUp(setUpLoadbalance, text), { message: complaint });
  });
}
