import test from 'ava';
import { argumentsOf } from '../../../src/dns/corefile/arguments.js';
import { readFallthrough, readZones } from '../../../src/dns/plugins/zones.js';
import { formatName, parseName } from '../../../src/dns/wire/name.js';
import { parseText } from '../../support/corefile.js';

const ofBlock = ['a.example', 'b.example', '0.10.in-addr.arpa', '1.10.in-addr.arpa'].map(parseName);

/** Arguments of a directive on the second line. */
function args(text: string) {
  const [directive] = parseText(`. {\n${text}\n}`).blocks[0]?.directives ?? [];
  if (directive === undefined) throw new Error('no directive');
  return argumentsOf(directive);
}

test('zones of a plugin are its arguments, prefixes expanded, else those of its block', (t) => {
  const zones = (text: string) => readZones(args(text), ofBlock).map(formatName);
  t.deepEqual(zones('acl'), [
    'a.example.',
    'b.example.',
    '0.10.in-addr.arpa.',
    '1.10.in-addr.arpa.',
  ]);
  t.deepEqual(zones('acl Cluster.Local 10.0.0.0/15 cluster.local.'), [
    'cluster.local.',
    '0.10.in-addr.arpa.',
    '1.10.in-addr.arpa.',
  ]);
  // A block on two ports has each of its zones twice.
  t.deepEqual(readZones(args('acl'), ['a', 'a'].map(parseName)).map(formatName), ['a.']);
});

test('zones of a plugin: arguments behind them are left', (t) => {
  const autopath = args('autopath a b @kubernetes');
  t.deepEqual(readZones(autopath, ofBlock, 1).map(formatName), ['a.', 'b.']);
  t.is(autopath.next(), '@kubernetes');
  t.deepEqual(readZones(args('autopath @kubernetes'), ofBlock, 1), ofBlock);
});

test('zones of a plugin: what is none is refused at its place, by the name of the plugin', (t) => {
  t.throws(() => readZones(args('cache a b..c'), ofBlock), {
    code: 'ERR_CONFIG',
    message: 'Corefile:2: cache: "b..c": the zone has an empty label',
  });
});

test('zones that fall through are those that are named, else the ones that it is asked with', (t) => {
  t.deepEqual(readFallthrough(args('fallthrough')).map(formatName), ['.']);
  t.deepEqual(readFallthrough(args('fallthrough'), ofBlock), ofBlock);
  t.deepEqual(readFallthrough(args('fallthrough a'), ofBlock).map(formatName), ['a.']);
});
