import { testProp } from '@fast-check/ava';
import test from 'ava';
import fc from 'fast-check';
import { pseudoHeader, rfc1071, swap16 } from './oracle.js';
import { bytesOf, rewrites } from './vectors.js';
import { type Variant, wireCore } from './wire-core.js';

const AREA = 0x80000;
const ALIGNMENTS = 16;
const MAX_LEN = 4096;
const VARIANTS: Variant[] = ['release', 'debug', 'baseline'];

const cores = {
  release: await wireCore('release'),
  debug: await wireCore('debug'),
  baseline: await wireCore('baseline'),
};

const range = fc.record({
  data: fc.uint8Array({ minLength: 0, maxLength: MAX_LEN, size: 'max' }),
  alignment: fc.nat(ALIGNMENTS - 1),
});
const u32 = fc.nat(0xffffffff);
const u16 = fc.nat(0xffff);

for (const variant of VARIANTS) {
  const core = cores[variant];

  testProp(
    `checksum: ${variant} equals RFC 1071 at any length and alignment`,
    [range],
    (t, { data, alignment }) => {
      core.bytes.set(data, AREA + alignment);
      t.is(core.call('checksum', AREA + alignment, data.length), swap16(rfc1071(data)));
    },
    { numRuns: 300 },
  );

  testProp(
    `checksum: ${variant} scalar and vector sums are congruent`,
    [range],
    (t, { data, alignment }) => {
      core.bytes.set(data, AREA + alignment);
      const scalar = core.call64('sumScalar', AREA + alignment, data.length);
      t.is(core.call64('sumVector', AREA + alignment, data.length), scalar);
      t.is(core.call64('sum', AREA + alignment, data.length), scalar);
    },
    { numRuns: 300 },
  );

  test(`checksum: ${variant} equals RFC 1071 for every short length, alignment and all ones`, (t) => {
    for (let alignment = 0; alignment < ALIGNMENTS; alignment++) {
      for (let len = 0; len <= 100; len++) {
        const data = new Uint8Array(len).fill(0xff);
        core.bytes.set(data, AREA + alignment);
        const expected = swap16(rfc1071(data));
        if (core.call('checksum', AREA + alignment, len) !== expected)
          t.fail(`${alignment} ${len}`);
      }
    }
    t.pass();
  });

  test(`checksum: ${variant} reads nothing behind the range`, (t) => {
    for (let len = 0; len <= 300; len++) {
      core.call64('sumScalar', core.end - len, len);
      core.call64('sumVector', core.end - len, len);
    }
    t.pass();
  });
}

const core = cores.release;

test('checksum: the baseline build has no SIMD and the release build has', (t) => {
  t.is(cores.release.call('hasSimd'), 1);
  t.is(cores.baseline.call('hasSimd'), 0);
});

test('checksum: a sum of 64 KiB of ones does not overflow', (t) => {
  const data = new Uint8Array(65536).fill(0xff);
  core.bytes.set(data, AREA);
  t.is(core.call('checksum', AREA, data.length), swap16(rfc1071(data)));
});

testProp(
  'fold: equals the remainder modulo 0xffff, and 0 only for 0',
  [fc.bigInt(0n, 2n ** 64n - 1n)],
  (t, total) => {
    const folded = core.call('fold', total);
    t.is(BigInt(folded) % 0xffffn, total % 0xffffn);
    t.is(folded === 0, total === 0n);
  },
);

test('fold: carries all the way at the largest totals', (t) => {
  for (const total of [
    0xffffn,
    0x10000n,
    0xffff_ffffn,
    0x1_0000_0000n,
    2n ** 64n - 1n,
    2n ** 63n,
  ]) {
    t.is(BigInt(core.call('fold', total)) % 0xffffn, total % 0xffffn, String(total));
  }
});

const addresses4 = fc.uint8Array({ minLength: 8, maxLength: 8 });
const addresses6 = fc.uint8Array({ minLength: 32, maxLength: 32 });

testProp(
  'pseudo-header: both families sum to what RFC 9293 and RFC 8200 draw',
  [addresses4, addresses6, fc.nat(255), u16],
  (t, four, six, proto, length) => {
    core.bytes.set(four, AREA);
    const src = core.view.getUint32(AREA, true);
    const dst = core.view.getUint32(AREA + 4, true);
    const sum4 = core.call64('pseudoSum4', src, dst, proto, length);
    t.is(core.call('finish', sum4), swap16(rfc1071(pseudoHeader(four, proto, length))));
    core.bytes.set(six, AREA);
    const sum6 = core.call64('pseudoSum6', AREA, proto, length);
    t.is(core.call('finish', sum6), swap16(rfc1071(pseudoHeader(six, proto, length))));
  },
);

/** A payload, and 32-bit words of it to overwrite, by index. */
const edited = fc.record({
  data: fc.uint8Array({ minLength: 64, maxLength: 1500, size: 'max' }),
  edits: fc.array(
    fc.record({ at: fc.nat(14), value: fc.oneof(u32, fc.constantFrom(0, 0xffffffff)) }),
    {
      maxLength: 6,
    },
  ),
});

testProp(
  'delta: an incremental update equals a full recompute, complete and partial',
  [edited],
  (t, { data, edits }) => {
    const payload = Uint8Array.from([1, ...data]); // never all zero, as no packet is
    core.bytes.set(payload, AREA);
    const before = core.call('checksum', AREA, payload.length);
    let delta = 0;
    for (const { at, value } of edits) {
      const ptr = AREA + 2 + 4 * at;
      const change = core.call('deltaU32', core.view.getUint32(ptr, true), value);
      delta = core.call('addDelta', delta, change);
      core.view.setUint32(ptr, value, true);
    }
    const after = swap16(rfc1071(core.bytes.subarray(AREA, AREA + payload.length)));
    t.is(core.call('applyDelta', before, delta), after);
    t.is(core.call('applyDeltaPartial', ~before & 0xffff, delta), ~after & 0xffff);
  },
  { numRuns: 1000 },
);

testProp(
  'delta: there and back again is the identity',
  [u32, u32, fc.nat(0xfffe)],
  (t, a, b, checksum) => {
    const there = core.call('applyDelta', checksum, core.call('deltaU32', a, b));
    t.is(core.call('applyDelta', there, core.call('deltaU32', b, a)) % 0xffff, checksum % 0xffff);
  },
);

testProp(
  'delta: 0 and 0xffff leave any checksum of a real packet alone',
  [fc.nat(0xfffe)],
  (t, checksum) => {
    t.is(core.call('applyDelta', checksum, 0), checksum);
    t.is(core.call('applyDelta', checksum, 0xffff), checksum);
  },
);

testProp(
  'delta: a 16-bit word widened to 32 bits changes a checksum as itself',
  [u16, u16, fc.nat(0xfffe)],
  (t, a, b, checksum) => {
    const next = core.call('applyDelta', checksum, core.call('deltaU32', a, b));
    const expected = 0xffff - ((0xffff - checksum + b + (0xffff - a)) % 0xffff);
    t.is(next % 0xffff, expected % 0xffff);
  },
);

test('udp: no checksum stays none, and a computed 0 is sent as all ones', (t) => {
  t.is(core.call('applyDeltaUdp', 0, 0x1234), 0);
  t.is(core.call('applyDeltaUdp', 0x1234, 0x1234), 0xffff);
  t.is(core.call('udpNonZero', 0), 0xffff);
  t.is(core.call('udpNonZero', 1), 1);
});

test('delta: what scapy has in a partial checksum field is updated to what it would have', (t) => {
  for (const { name, before, after, partialBefore, partialAfter } of rewrites) {
    const delta = addressDelta(bytesOf(before), bytesOf(after));
    const updated = core.call('applyDeltaPartial', swap16(partialBefore), delta);
    t.is(updated, swap16(partialAfter), name);
  }
});

/** Delta of the addresses of two untagged frames of one family. */
function addressDelta(before: Uint8Array, after: Uint8Array): number {
  const isIpv4 = before[12] === 0x08;
  core.bytes.set(before, AREA);
  core.bytes.set(after, AREA + 0x1000);
  if (!isIpv4) {
    const src = core.call('deltaAddr6', AREA + 22, AREA + 0x1000 + 22);
    return core.call('addDelta', src, core.call('deltaAddr6', AREA + 38, AREA + 0x1000 + 38));
  }
  const word = (off: number) =>
    core.call(
      'deltaU32',
      core.view.getUint32(AREA + off, true),
      core.view.getUint32(AREA + 0x1000 + off, true),
    );
  return core.call('addDelta', word(26), word(30));
}
