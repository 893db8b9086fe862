import test from 'ava';
import { formatAddress, parseAddress, parseCidr } from '../../src/addr.js';
import { selectNodePorts } from '../../src/compile/node-ports.js';
import type { NodePortEntry } from '../../src/compile/node-ports.js';

const OWN = ['192.0.2.1', '2001:db8::1'].map(parseAddress);
const LOCAL = [
  '192.0.2.1',
  '198.51.100.1',
  '2001:db8::1',
  '2001:db8:5::1',
  '127.0.0.1',
  '::1',
  'fe80::1',
].map(parseAddress);

const select = (...entries: string[]) =>
  selectNodePorts(
    entries.map((e) => (e.includes('/') ? parseCidr(e) : e) as NodePortEntry),
    { own: OWN, local: LOCAL },
  ).map(formatAddress);

test('node-ports: by default they are on the primary address of each family [proxy 13]', (t) => {
  t.deepEqual(select(), ['192.0.2.1', '2001:db8::1']);
  t.deepEqual(select('primary'), ['192.0.2.1', '2001:db8::1']);
});

test('node-ports: a prefix of the second address takes it, and not the first [proxy 14]', (t) => {
  t.deepEqual(select('198.51.100.0/24'), ['198.51.100.1', '2001:db8::1']);
});

test('node-ports: so it is with IPv6, and a family without an entry is as without a list [proxy 15]', (t) => {
  t.deepEqual(select('2001:db8:5::/48'), ['192.0.2.1', '2001:db8:5::1']);
});

test('node-ports: a prefix of everything is everything but loopback and link-local', (t) => {
  t.deepEqual(select('0.0.0.0/0'), ['192.0.2.1', '198.51.100.1', '2001:db8::1']);
  t.deepEqual(select('0.0.0.0/0', '198.51.100.0/24', '::/0'), select('all'));
  t.deepEqual(select('all'), ['192.0.2.1', '198.51.100.1', '2001:db8:5::1', '2001:db8::1']);
});

test('node-ports: loopback is there by name only, and of IPv4 only', (t) => {
  t.deepEqual(select('127.0.0.0/8'), ['2001:db8::1']);
  t.deepEqual(select('localhost'), ['127.0.0.1', '2001:db8::1']);
  t.deepEqual(select('localhost', 'primary'), ['127.0.0.1', '192.0.2.1', '2001:db8::1']);
  t.deepEqual(select('localhost', '::/0'), ['127.0.0.1', '2001:db8:5::1', '2001:db8::1']);
});

test('node-ports: a prefix of no local address is nothing', (t) => {
  t.deepEqual(select('203.0.113.0/24', '2001:db8::/128'), []);
});
