/** The kernel's routes in fewer rows, against the longest prefix looked up in the plainest way. */
import test from 'ava';
import { contains, formatCidr, parseAddress, parseCidr } from '../../src/addr.js';
import { type OutsideRoute, fitRoutes } from '../../src/kernel/outside-fit.js';

/** `10.0.0.0/8 1`, `10.0.0.0/8 -`: prefix and uplink. */
function route(text: string): OutsideRoute {
  const [cidr = '', uplink = ''] = text.split(' ');
  return { cidr: parseCidr(cidr), uplink: uplink === '-' ? undefined : Number(uplink) };
}

function texts(routes: readonly OutsideRoute[]): string[] {
  return routes.map(({ cidr, uplink }) => `${formatCidr(cidr)} ${uplink ?? '-'}`).sort();
}

function fit(routes: readonly string[], max: number) {
  const { routes: fitted, loss } = fitRoutes(routes.map(route), max);
  return { routes: texts(fitted), loss };
}

/** The uplink of a destination. */
function lookUp(routes: readonly OutsideRoute[], address: string): number | undefined {
  const to = parseAddress(address);
  const found = routes.filter(({ cidr }) => cidr.family === to.family && contains(cidr, to));
  return found.sort((a, b) => b.cidr.prefixLen - a.cidr.prefixLen)[0]?.uplink;
}

test('outside fit: with room enough every route that says something stays as it is', (t) => {
  const all = ['0.0.0.0/0 1', '10.0.0.0/9 2', '10.128.0.0/9 2', '10.1.0.0/16 2', '11.0.0.0/8 1'];
  t.deepEqual(fit(all, 3), { routes: all.slice(0, 3), loss: undefined });
});

test('outside fit: without it halves are joined, and nothing changes', (t) => {
  const all = [
    '0.0.0.0/0 1',
    '10.0.0.0/8 -',
    '10.0.0.0/9 2',
    '10.128.0.0/9 2',
    '::/1 3',
    '8000::/1 3',
  ];
  t.deepEqual(fit(all, 3), { routes: ['0.0.0.0/0 1', '10.0.0.0/8 2', '::/0 3'], loss: undefined });
});

test('outside fit: a table that knows every network becomes a default route and what differs from it', (t) => {
  const networks = Array.from({ length: 100 }, (_, i) => `10.${2 * i}.0.0/16 1`);
  const { routes, loss } = fit([...networks, '172.17.0.0/16 -', '203.0.113.0/24 2'], 10);
  t.deepEqual(routes, ['0.0.0.0/0 1', '172.17.0.0/16 -', '203.0.113.0/24 2']);
  t.regex(loss ?? '', /101 routes that differ, and 10 .* usual uplink/);
});

test('outside fit: what does not fit then goes the way of a wider route, and never nowhere', (t) => {
  const narrow = Array.from({ length: 100 }, (_, i) => `10.${2 * i}.0.0/16 ${2 + (i % 3)}`);
  const { routes, loss } = fit(['0.0.0.0/0 1', '172.16.0.0/12 -', ...narrow, '10.200.0.0/16 -'], 4);
  t.is(routes.length, 4);
  for (const kept of ['0.0.0.0/0 1', '172.16.0.0/12 -', '10.200.0.0/16 -']) {
    t.true(routes.includes(kept), kept);
  }
  t.regex(loss ?? '', /103 routes that differ, and 4 .* instead of 99 narrow ones/);
});

test('outside fit: as long as nothing is lost, every destination goes where it went', (t) => {
  const seed = Number(process.env['SEED'] ?? 1);
  let state = seed;
  // Numerical Recipes' LCG; enough to pick prefixes.
  const draw = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let joined = 0;
  for (let round = 0; round < 100; round++) {
    const prefixes = new Map<string, OutsideRoute>();
    for (let i = 0; i < 60; i++) {
      const length = 24 + draw(9);
      const first = draw(256) & (256 - 2 ** (32 - length));
      const text = `10.0.0.${first}/${length} ${draw(3) || '-'}`;
      prefixes.set(text.split(' ')[0] ?? '', route(text));
    }
    const routes = [...prefixes.values()];
    const { length } = fitRoutes(routes, 1000).routes;
    const fitted = fitRoutes(routes, length - 1);
    if (fitted.loss !== undefined) continue;
    joined++;
    const hosts = Array.from({ length: 64 }, () => `10.0.0.${draw(256)}`);
    const differ = hosts.filter((to) => lookUp(fitted.routes, to) !== lookUp(routes, to));
    t.deepEqual(differ, [], `SEED=${seed}`);
  }
  t.true(joined > 20);
});
