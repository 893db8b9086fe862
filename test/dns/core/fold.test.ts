/**
 * Names in lower case: sixteen octets at a time where there are as many, eight and fewer behind them.
 * Both must be what RFC 4343 says, whatever the octets are and wherever the name lies.
 */
import test from 'ava';
import { DNS_BASE, DNS_NAME_LEN_OFF, DNS_NAME_OFF } from '../../../assembly/abi-dns.js';
import { SPACE, TYPE, a, cut, openDnsCore, query, value } from './zone.js';

/** RFC 4343 3: of all octets only these 26 have another case. */
const lower = (octet: number): number => (octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet);

/** A name of `length` octets with its root, whose labels' octets are `octetAt`. */
function nameOf(length: number, octetAt: (at: number) => number): Uint8Array {
  const name = new Uint8Array(length);
  for (let at = 0; at < length - 1;) {
    const left = length - 2 - at;
    // A label of nothing is the root: what is left is never one octet.
    const size = left <= 63 ? left : Math.min(63, left - 2);
    name[at] = size;
    for (let i = at + 1; i <= at + size; i++) name[i] = octetAt(i);
    at += size + 1;
  }
  return name;
}

/** What the core makes of a name. */
function folded(dns: ReturnType<typeof openDnsCore>, name: Uint8Array): Uint8Array {
  dns.ask(query(name));
  const { view } = dns.core;
  const length = view[DNS_BASE + DNS_NAME_LEN_OFF] ?? 0;
  return view.slice(DNS_BASE + DNS_NAME_OFF, DNS_BASE + DNS_NAME_OFF + length + 8);
}

/** Of a name without the octets that say how long its labels are, which have no case. */
function expected(name: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(name.length + 8);
  for (let at = 0; at < name.length;) {
    const size = name[at] ?? 0;
    bytes[at] = size;
    for (let i = at + 1; i <= at + size; i++) bytes[i] = lower(name[i] ?? 0);
    at += size + 1;
  }
  return bytes;
}

test('dns: every octet is folded as RFC 4343 says, at every place of a name', (t) => {
  const dns = openDnsCore();
  // 251 is odd, so that every octet comes to every place of sixteen within as many turns.
  for (let turn = 0; turn < 256; turn++) {
    const name = nameOf(64 + (turn & 31), (at) => (at * 251 + turn) & 255);
    t.deepEqual(folded(dns, name), expected(name), `turn ${turn}`);
  }
});

test('dns: names of every length are folded to their end, with zeros behind it', (t) => {
  const dns = openDnsCore();
  for (let length = 3; length <= 255; length++) {
    const long = nameOf(255, () => 0x5a);
    folded(dns, long);
    const name = nameOf(length, (at) => (at & 1 ? 0x41 : 0x5a));
    t.deepEqual(folded(dns, name), expected(name), `${length} octets`);
  }
});

test('dns: a name has one hash, in whatever case it is asked for', (t) => {
  const dns = openDnsCore({ names: 512, rrsetBytes: 1 << 17 });
  const small = Array.from({ length: 120 }, (_, i) => nameOf(i + 3, (at) => 0x61 + (at % 26)));
  t.deepEqual(
    dns.apply((writer) => {
      writer.put(1, 0, Uint8Array.of(0), cut({ space: SPACE }));
      for (const name of small) {
        writer.put(SPACE, 0, name, value({ type: TYPE.A, records: [a('10.0.0.1')] }));
      }
    }),
    [],
  );
  for (const name of small) {
    const mixed = name.map((octet, at) => (octet >= 0x61 && at % 3 !== 0 ? octet - 0x20 : octet));
    const { reply } = dns.ask(query(mixed));
    t.is((reply[3] ?? 0) & 15, 0, `${name.length} octets`);
    t.deepEqual(reply.slice(12, 12 + mixed.length), mixed);
  }
});
