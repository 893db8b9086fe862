import { testProp } from '@fast-check/ava';
import test from 'ava';
import fc from 'fast-check';
import { crc32c } from './oracle.js';
import { bytesOf, hexOf, packets } from './vectors.js';
import { wireCore } from './wire-core.js';

const AREA = 0x80000;
const SCTP_HLEN = 12;
const CHECKSUM_OFF = 8;
/** The longest SCTP packet that IP can carry, and the longest a test need try. */
const MAX_LEN = 65535;
const LONG_LEN = 3000;

const core = await wireCore('release');

/** The bytes of the core's CRC as they would lie in a packet. */
function coreCrc(data: Uint8Array): string {
  core.bytes.set(data, AREA);
  const value = new DataView(new ArrayBuffer(4));
  value.setUint32(0, core.call('crc32c', AREA, data.length), true);
  return hexOf(new Uint8Array(value.buffer));
}

// RFC 3720 B.4 (bytes in order of transmission), and the check value of the CRC catalogues.
const KNOWN: readonly (readonly [string, Uint8Array, string])[] = [
  ['32 bytes of zeros', new Uint8Array(32), 'aa36918a'],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), '43aba862'],
  ['32 rising bytes', Uint8Array.from({ length: 32 }, (_, i) => i), '4e79dd46'],
  ['32 falling bytes', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), '5cdb3f11'],
  ['"123456789"', new TextEncoder().encode('123456789'), '839206e3'],
];
for (const [name, data, expected] of KNOWN) {
  test(`crc32c: ${name} have the CRC of RFC 3720, in the core and in the oracle`, (t) => {
    t.is(coreCrc(data), expected);
    t.is(hexOf(crc32c(data)), expected);
  });
}

testProp(
  'crc32c: any bytes have the CRC that the polynomial gives them bit by bit',
  [fc.uint8Array({ maxLength: 300 })],
  (t, data) => {
    t.is(coreCrc(data), hexOf(crc32c(data)));
  },
  { numRuns: 300 },
);

for (const { name, hex, sctp, eth, walk } of packets) {
  if (!sctp || !walk || name.includes('fragment')) continue;
  test(`crc32c: the checksum of "${name}" is the one scapy computed`, (t) => {
    const packet = bytesOf(hex).subarray(eth.hlen + walk.offset);
    core.bytes.set(packet, AREA);
    core.call('completeSctp', AREA, packet.length);
    const field = core.bytes.subarray(AREA + CHECKSUM_OFF, AREA + SCTP_HLEN);
    t.is(hexOf(field), sctp.checksum);
    const blank = packet.slice();
    blank.set([0, 0, 0, 0], CHECKSUM_OFF);
    t.is(hexOf(crc32c(blank)), sctp.checksum);
  });
}

/** A packet with its checksum by the oracle. */
function sealed(packet: Uint8Array): Uint8Array {
  const done = packet.slice();
  done.set([0, 0, 0, 0], CHECKSUM_OFF);
  done.set(crc32c(done), CHECKSUM_OFF);
  return done;
}

const sctpPacket = fc.uint8Array({ minLength: SCTP_HLEN, maxLength: LONG_LEN, size: 'max' });
const u32 = fc.nat(0xffffffff);

testProp(
  'sctp: new ports change the checksum to what the whole packet would have',
  [sctpPacket, u32],
  (t, random, ports) => {
    const before = sealed(random);
    core.bytes.set(before, AREA);
    core.call('writeSctpPorts', AREA, ports, before.length);
    const after = before.slice();
    new DataView(after.buffer).setUint32(0, ports, true);
    t.is(hexOf(core.bytes.subarray(AREA, AREA + after.length)), hexOf(sealed(after)));
  },
  { numRuns: 60 },
);

testProp(
  'sctp: a packet that came damaged is damaged by the same bits after its ports are rewritten',
  [sctpPacket, u32, fc.integer({ min: 1, max: 0xffffffff })],
  (t, random, ports, damage) => {
    const whole = sealed(random);
    const rewritten = (error: number): number => {
      core.bytes.set(whole, AREA);
      const { view } = core;
      view.setUint32(AREA + 8, (view.getUint32(AREA + 8, true) ^ error) >>> 0, true);
      core.call('writeSctpPorts', AREA, ports, whole.length);
      return view.getUint32(AREA + 8, true);
    };
    t.is((rewritten(0) ^ rewritten(damage)) >>> 0, damage);
  },
  { numRuns: 60 },
);

test('sctp: a rewrite knows every length up to the longest', (t) => {
  for (const length of [SCTP_HLEN, 16, 255, 256, 1480, 4095, 32768, MAX_LEN]) {
    const before = sealed(new Uint8Array(length).fill(0x5a));
    core.bytes.set(before, AREA);
    core.call('writeSctpPorts', AREA, 0x04030201, length);
    const after = before.slice();
    after.set([1, 2, 3, 4]);
    t.is(hexOf(core.bytes.subarray(AREA, AREA + SCTP_HLEN)), hexOf(sealed(after).slice(0, 12)));
  }
});

test('sctp: ports rewritten to what they are leave every byte as it is', (t) => {
  const packet = sealed(new Uint8Array(40).fill(7));
  core.bytes.set(packet, AREA);
  core.call('writeSctpPorts', AREA, 0x07070707, packet.length);
  t.is(hexOf(core.bytes.subarray(AREA, AREA + 40)), hexOf(packet));
});

test('sctp: at most eight chunks are looked at, and none behind DATA', (t) => {
  const chunk = (type: number): number[] => [type, 0, 0, 4];
  const chunks = (...types: number[]): number => {
    const packet = Uint8Array.from([...new Uint8Array(SCTP_HLEN), ...types.flatMap(chunk)]);
    core.bytes.set(packet, AREA);
    return core.call('sctpChunks', AREA, packet.length);
  };
  t.is(chunks(3, 7), (1 << 3) | (1 << 7));
  t.is(chunks(3, 0, 6), (1 << 3) | 1);
  t.is(chunks(...Array.from({ length: 8 }, () => 9), 6), 1 << 9);
  t.is(chunks(0xc0, 0x82), 0, 'chunks of extensions have no bit');
});

test('sctp: a chunk shorter than its own header ends the walk and is told', (t) => {
  const packet = Uint8Array.from([...new Uint8Array(SCTP_HLEN), 3, 0, 0, 0, 6, 0, 0, 4]);
  core.bytes.set(packet, AREA);
  t.is(core.call('sctpChunks', AREA, packet.length), (1 << 3) | (1 << 16));
});
