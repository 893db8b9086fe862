import test from 'ava';
import fc from 'fast-check';
import { isIP } from 'node:net';
import {
  canonicalAddress,
  canonicalCidr,
  formatAddress,
  formatAddressPort,
  formatCidr,
  formatMac,
  mappedPrefixLen,
  parseAddress,
  parseCidr,
  parseMac,
} from '../../src/addr.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('addr: IPv4 is held in its mapped form, IPv6 as it is', (t) => {
  t.is(hex(parseAddress('192.0.2.7').bytes), '00000000000000000000ffffc0000207');
  t.is(hex(parseAddress('2001:db8::7').bytes), '20010db8000000000000000000000007');
  t.is(hex(parseAddress('255.255.255.255').bytes), '00000000000000000000ffffffffffff');
  t.is(hex(parseAddress('::').bytes), '0'.repeat(32));
});

test('addr: an IPv4-mapped text is the IPv4 address', (t) => {
  const address = parseAddress('::ffff:192.0.2.7');
  t.is(address.family, 4);
  t.is(formatAddress(address), '192.0.2.7');
});

const BAD_ADDRESSES: [string, RegExp][] = [
  ['010.1.1.1', /"010\.1\.1\.1" has an octet with a leading zero.*expected 10\.1\.1\.1/],
  ['10.1.1.001', /leading zero/],
  ['10.1.1', /not an IP address/],
  ['1', /not an IP address/],
  ['256.1.1.1', /not an IP address/],
  ['fe80::1%eth0', /names a zone/],
  ['10.0.0.0/8', /is a prefix/],
  ['', /not an IP address/],
  [' 10.0.0.1', /not an IP address/],
  ['::1::', /not an IP address/],
];

for (const [text, complaint] of BAD_ADDRESSES) {
  test(`addr: ${JSON.stringify(text)} is refused in words`, (t) => {
    const error = t.throws(() => parseAddress(text), { message: complaint });
    t.is((error as Error & { code?: string }).code, 'ERR_ADDRESS');
  });
}

test('addr: objects are read as Kubernetes reads them', (t) => {
  const canonical = (text: string) => {
    const address = canonicalAddress(text);
    return address && formatAddress(address);
  };
  t.is(canonical('010.001.1.1'), '10.1.1.1');
  t.is(canonical('000.0.0.0'), '0.0.0.0');
  t.is(canonical('0256.1.1.1'), undefined);
  t.is(canonical('2001:0DB8::0001'), '2001:db8::1');
  t.is(canonical('x'), undefined);
});

test('addr: prefixes are exact in the configuration, masked in objects', (t) => {
  t.is(formatCidr(parseCidr('10.96.0.0/12')), '10.96.0.0/12');
  t.is(mappedPrefixLen(parseCidr('10.96.0.0/12')), 108);
  t.is(mappedPrefixLen(parseCidr('fd00::/64')), 64);
  t.throws(() => parseCidr('10.96.0.1/12'), {
    message: /behind its prefix length; expected 10\.96\.0\.0\/12/,
  });
  t.throws(() => parseCidr('10.96.0.0'), { message: /is not a prefix/ });
  t.throws(() => parseCidr('10.96.0.0/33'), { message: /is not a prefix/ });
  t.throws(() => parseCidr('10.96.0.0/08'), { message: /is not a prefix/ });
  t.throws(() => parseCidr('010.0.0.0/8'), { message: /leading zero/ });
  const masked = canonicalCidr('10.244.1.7/24');
  t.is(masked && formatCidr(masked), '10.244.1.0/24');
  t.is(canonicalCidr('::ffff:10.0.0.0/104'), undefined);
});

test('addr: MAC addresses round', (t) => {
  t.is(formatMac(parseMac('02:53:00:00:00:01')), '02:53:00:00:00:01');
  t.is(formatMac(parseMac('AA:bb:CC:dd:EE:ff')), 'aa:bb:cc:dd:ee:ff');
  for (const other of ['02-53-00-00-00-01', '0253.0000.0001']) {
    t.is(formatMac(parseMac(other)), '02:53:00:00:00:01', other);
  }
  for (const bad of [
    '02:53:00:00:00',
    '2:53:00:00:00:01',
    '02-53:00-00-00-01',
    '0253.0000:0001',
    '025300000001',
    'g0:00:00:00:00:00',
  ]) {
    t.throws(() => parseMac(bad), { message: /is not a MAC address/ }, bad);
  }
});

test('addr: text and bytes agree with the URL parser of the platform', (t) => {
  const oracle = (text: string) => new URL(`http://[${text}]/`).hostname.slice(1, -1);
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const address = parseAddress(text);
      if (address.family === 4) return;
      t.is(oracle(formatAddress(address)), oracle(text));
      t.deepEqual(parseAddress(formatAddress(address)), address);
    }),
  );
  fc.assert(fc.property(fc.ipV4(), (text) => formatAddress(parseAddress(text)) === text));
});

test('addr: only what the platform calls an address is one', (t) => {
  const almost = fc.stringMatching(/^[0-9a-f.:%/]{1,20}$/);
  fc.assert(
    fc.property(almost, (text) => {
      const isAddress = isIP(text) !== 0 && !text.includes('%');
      if (isAddress) t.notThrows(() => parseAddress(text));
      else t.throws(() => parseAddress(text), { name: 'DataplaneError' });
    }),
  );
});

test('addr: an endpoint is written as its family demands', (t) => {
  t.is(formatAddressPort(parseAddress('10.0.0.1'), 80), '10.0.0.1:80');
  t.is(formatAddressPort(parseAddress('fd00::1'), 80), '[fd00::1]:80');
});
