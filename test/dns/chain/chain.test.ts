import test from 'ava';
import dnsPacket from 'dns-packet';
import { parseAddress } from '../../../src/addr.js';
import { compose } from '../../../src/dns/chain/chain.js';
import { queryOf } from '../../../src/dns/message/decode.js';
import type { Plugin, Query } from '../../../src/dns/plugin.js';

const LOCAL = parseAddress('127.0.0.1');

function question(): Query {
  const bytes = dnsPacket.encode({ type: 'query', id: 1, questions: [{ type: 'A', name: 'a.b' }] });
  const server = { address: LOCAL, port: 53 };
  const query = queryOf(bytes, { address: LOCAL, port: 5, transport: 'udp', server });
  if (query === undefined) throw new Error('no query');
  return query;
}

const rcodeOf = (message: Uint8Array): number => (message[3] ?? 0) & 0xf;

test('chain: what a plugin throws is SERVFAIL, a problem with its name, and counted', async (t) => {
  let panics = 0;
  const passing: Plugin = {
    name: 'passing',
    claims: { kind: 'none' },
    handle: (query, next) => next(query),
  };
  const throwing: Plugin = {
    name: 'throwing',
    claims: { kind: 'none' },
    handle: () => {
      throw new RangeError('nobody thought of it');
    },
  };
  const reply = await compose([passing, throwing], () => panics++)(question());
  t.is(rcodeOf(reply.message), 2);
  t.is(reply.problem, 'plugin/throwing: nobody thought of it');
  t.is(panics, 1);
  // The end of the chain is foreseen.
  const last = await compose([passing], () => panics++)(question());
  t.is(rcodeOf(last.message), 2);
  t.is(panics, 1);
});
