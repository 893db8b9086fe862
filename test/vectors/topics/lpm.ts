/** Longest-prefix match over routes put and deleted by delta records. */
import {
  Action,
  Op,
  ROUTE_ACTION_OFF,
  ROUTE_ADDR_OFF,
  ROUTE_IFINDEX_OFF,
  ROUTE_PREFIX_LEN_OFF,
  ROUTE_SIZE,
  SCRATCH_BASE,
  TableId,
} from '../../../assembly/abi.js';
import { parseAddress, parseCidr } from '../../../src/addr.js';
import { createDeltaWriter } from '../../../src/core/delta-writer.js';
import { expectSame } from '../frames.js';
import type { Topic } from '../frames.js';
import { createRecorder } from '../recorder.js';
import type { Recorder } from '../recorder.js';

/** A route leads to the link whose number is its place here, from 1 on. */
const ROUTES = [
  '0.0.0.0/0',
  '10.0.0.0/8',
  '10.244.0.0/16',
  '10.244.1.0/24',
  '10.244.1.128/25',
  '10.244.1.2/32',
  '192.168.0.0/30',
  '::/0',
  'fd00::/8',
  'fd00:10:244::/48',
  'fd00:10:244:1::/64',
  'fd00:10:244:1::2/128',
  '2001:db8::/33',
];

/** Address, and the prefix that covers it best; none. */
const LOOKUPS: readonly (readonly [string, string | undefined])[] = [
  ['8.8.8.8', '0.0.0.0/0'],
  ['10.1.2.3', '10.0.0.0/8'],
  ['10.244.2.3', '10.244.0.0/16'],
  ['10.244.1.3', '10.244.1.0/24'],
  ['10.244.1.200', '10.244.1.128/25'],
  ['10.244.1.2', '10.244.1.2/32'],
  ['192.168.0.3', '192.168.0.0/30'],
  ['192.168.0.4', '0.0.0.0/0'],
  ['255.255.255.255', '0.0.0.0/0'],
  ['2001:db8::1', '2001:db8::/33'],
  ['2001:db8:8000::1', '::/0'],
  ['fd01::1', 'fd00::/8'],
  ['fd00:10:244:2::1', 'fd00:10:244::/48'],
  ['fd00:10:244:1::3', 'fd00:10:244:1::/64'],
  ['fd00:10:244:1::2', 'fd00:10:244:1::2/128'],
];

function image(cidr: string): Uint8Array {
  const { bytes, family, prefixLen } = parseCidr(cidr);
  const row = new Uint8Array(ROUTE_SIZE);
  const view = new DataView(row.buffer);
  row.set(bytes, ROUTE_ADDR_OFF);
  view.setUint8(ROUTE_ACTION_OFF, Action.UPLINK);
  view.setUint32(ROUTE_PREFIX_LEN_OFF, family === 4 ? 96 + prefixLen : prefixLen, true);
  view.setUint32(ROUTE_IFINDEX_OFF, ROUTES.indexOf(cidr) + 1, true);
  return row;
}

function change(rec: Recorder, op: Op.PUT | Op.DELETE, cidrs: readonly string[]): void {
  const writer = createDeltaWriter();
  for (const cidr of cidrs) writer.keyed(op, TableId.ROUTE, image(cidr));
  expectSame('records applied', rec.core.apply(writer.take()), cidrs.length);
}

function lookUp(rec: Recorder, address: string, cidr: string | undefined): void {
  rec.write(SCRATCH_BASE, parseAddress(address).bytes);
  const row = rec.core.exports.lpmFind(SCRATCH_BASE);
  expectSame('found', row !== 0, cidr !== undefined);
  if (cidr === undefined) return;
  const link = rec.core.words.getUint32(row + ROUTE_IFINDEX_OFF, true);
  expectSame(address, ROUTES[link - 1], cidr);
  rec.read(row, ROUTE_SIZE);
}

export const lpm: Topic = {
  name: 'lpm',
  record: () => {
    const rec = createRecorder();
    rec.core.start({ offload: false, nowMs: 1 });
    rec.add('no-routes', 'nothing covers anything', () => {
      lookUp(rec, '10.244.1.2', undefined);
      lookUp(rec, 'fd00::1', undefined);
    });
    rec.add('put', 'thirteen routes of both families', () => {
      change(rec, Op.PUT, ROUTES);
    });
    for (const [address, cidr] of LOOKUPS) {
      rec.add(`look-up-${address}`, `covered best by ${cidr ?? 'nothing'}`, () => {
        lookUp(rec, address, cidr);
      });
    }
    rec.add('delete', 'the next longest prefix takes over, of the same family', () => {
      change(rec, Op.DELETE, ['10.244.1.2/32', '10.244.1.0/24', 'fd00:10:244:1::/64', '0.0.0.0/0']);
      lookUp(rec, '10.244.1.2', '10.244.0.0/16');
      lookUp(rec, '10.244.1.200', '10.244.1.128/25');
      lookUp(rec, 'fd00:10:244:1::3', 'fd00:10:244::/48');
      lookUp(rec, '8.8.8.8', undefined);
    });
    return rec.file(
      'lpm',
      'routes put by applyDelta, lpmFind(addr): the address of the row whose prefix covers the 16-byte address best, 0 for none',
    );
  },
};
