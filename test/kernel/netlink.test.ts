import { testProp } from '@fast-check/ava';
import test from 'ava';
import fc from 'fast-check';
import * as oracle from 'netlink';
import {
  type Attribute,
  NLMSG_DONE,
  NLMSG_ERROR,
  type NetlinkError,
  bytesAttribute,
  decodeAttributes,
  decodeMessages,
  encodeRequest,
  errorOf,
  headedAttribute,
  nestedAttribute,
  textAttribute,
  textOf,
  u16Attribute,
  u32Attribute,
  u32Of,
  u8Attribute,
} from '../../src/kernel/netlink.js';

const EEXIST = 17;
const ENODEV = 19;

/** i32 -errno, then a quoted nlmsghdr that says `quotedLen`, then `rest`. */
function errorPayload(errno: number, quotedLen: number, rest: Uint8Array): Uint8Array {
  const payload = new Uint8Array(4 + 16 + rest.length);
  const view = new DataView(payload.buffer);
  view.setInt32(0, -errno, true);
  view.setUint32(4, quotedLen, true);
  payload.set(rest, 20);
  return payload;
}

/** Bytes of attributes alone. */
function attributeBytes(attributes: readonly Attribute[]): Uint8Array {
  const header = new Uint8Array(0);
  return encodeRequest({ type: 0, flags: 0, seq: 0, header, attributes }).subarray(16);
}

function oracleAttributes(bytes: Buffer): oracle.NetlinkAttribute[] {
  const seen: oracle.NetlinkAttribute[] = [];
  oracle.parseAttributes(bytes, (attribute) => seen.push(attribute));
  return seen;
}

const EXTACK = attributeBytes([textAttribute(1, 'File exists, really'), u32Attribute(2, 36)]);
const ACK_TLVS = 0x200;
const CAPPED = 0x100;

test('netlink: a request is, byte for byte, what linux/netlink.h says', (t) => {
  const bytes = encodeRequest({
    type: 0x0102,
    flags: 0x0405,
    seq: 0x0708090a,
    header: Uint8Array.of(0xaa, 0xbb, 0xcc, 0xdd),
    attributes: [textAttribute(3, 'lo'), u16Attribute(5, 0x1234)],
  });
  t.deepEqual(
    Buffer.from(bytes).toString('hex'),
    [
      '24000000', // length 36
      '0201', // type
      '0504', // flags
      '0a090807', // seq
      '00000000', // port
      'aabbccdd', // family header
      '07000300', // length 7, type 3
      '6c6f0000', // "lo", NUL, one byte of padding
      '06000500', // length 6, type 5
      '34120000', // value, two bytes of padding
    ].join(''),
  );
});

test('netlink: npm netlink reads nested and headed attributes back', (t) => {
  const attributes = [
    nestedAttribute(18, [
      textAttribute(1, 'veth'),
      nestedAttribute(2, [
        headedAttribute(1, Uint8Array.of(1, 2, 3, 4), [u32Attribute(4, 1450), u8Attribute(8, 1)]),
      ]),
    ]),
  ];
  const [info] = oracleAttributes(Buffer.from(attributeBytes(attributes)));
  t.like(info, { type: 18, nested: true });
  const [kind, data] = oracleAttributes(info?.data ?? Buffer.alloc(0));
  t.is(kind?.data.toString('latin1'), 'veth\0');
  const [peer] = oracleAttributes(data?.data ?? Buffer.alloc(0));
  t.deepEqual([...(peer?.data.subarray(0, 4) ?? [])], [1, 2, 3, 4]);
  const [mtu, mode] = oracleAttributes(peer?.data.subarray(4) ?? Buffer.alloc(0));
  t.is(mtu?.data.readUInt32LE(0), 1450);
  t.deepEqual([mode?.type, mode?.data[0]], [8, 1]);
});

const leaf = fc.record({
  type: fc.integer({ min: 1, max: 0x3fff }),
  value: fc.uint8Array({ maxLength: 70 }),
});

testProp(
  'netlink: npm netlink parses every request to what was asked',
  [fc.nat(0xffff), fc.nat(0xffff), fc.nat(0xffffffff), fc.array(leaf, { maxLength: 12 })],
  (t, type, flags, seq, leaves) => {
    const attributes = leaves.map((one) => bytesAttribute(one.type, one.value));
    const header = Uint8Array.of(9, 8, 7, 6, 5, 4, 3, 2);
    const bytes = Buffer.from(encodeRequest({ type, flags, seq, header, attributes }));
    const [message, ...more] = oracle.parseMessages(bytes);
    t.is(more.length, 0);
    t.like(message, { type, flags, seq, port: 0 });
    const body = message?.data ?? Buffer.alloc(0);
    t.deepEqual([...body.subarray(0, 8)], [...header]);
    const seen = oracleAttributes(body.subarray(8));
    t.deepEqual(
      seen.map((one) => [one.type, [...one.data]]),
      leaves.map((one) => [one.type, [...one.value]]),
    );
  },
);

testProp(
  'netlink: what npm netlink writes is read back',
  [fc.array(fc.tuple(fc.nat(0xffff), fc.array(leaf, { maxLength: 6 })), { maxLength: 5 })],
  (t, messages) => {
    const chunks = messages.flatMap(([type, leaves]) => {
      const stream = new oracle.AttrStream();
      for (const one of leaves) stream.push(one.type, Buffer.from(one.value));
      const data = stream.bufs;
      const message = oracle.formatMessage({ type, flags: 2, seq: 77, port: 1, data });
      return oracle.pad(message);
    });
    const decoded = decodeMessages(Buffer.concat(chunks));
    t.deepEqual(
      decoded.map(({ type, flags, seq }) => ({ type, flags, seq })),
      messages.map(([type]) => ({ type, flags: 2, seq: 77 })),
    );
    for (const [i, { payload }] of decoded.entries()) {
      const expected = new Map(messages[i]?.[1].map((one) => [one.type, [...one.value]]));
      const seen = [...decodeAttributes(payload)].map(([type, v]) => [type, [...v]] as const);
      t.deepEqual(new Map(seen), expected);
    }
  },
);

testProp(
  'netlink: arbitrary bytes are refused with a RangeError or read, never past their end',
  [fc.uint8Array({ maxLength: 200 })],
  (t, bytes) => {
    // Behind the bytes lies what must not be seen.
    const poisoned = new Uint8Array(bytes.length + 64).fill(0xee);
    poisoned.set(bytes);
    const view = poisoned.subarray(0, bytes.length);
    for (const decode of [decodeMessages, decodeAttributes]) {
      try {
        for (const item of decode(view)) {
          const part = 'payload' in item ? item.payload : item[1];
          t.true(part.byteOffset + part.length <= bytes.length);
        }
      } catch (error) {
        t.true(error instanceof RangeError);
      }
    }
    t.pass();
  },
);

test('netlink: a refusal becomes an error with code, errno, question and the reason given', (t) => {
  const payload = errorPayload(EEXIST, 200, EXTACK);
  const message = { type: NLMSG_ERROR, flags: ACK_TLVS | CAPPED, seq: 1, payload };
  const error = errorOf(message, 'create veth slc0');
  t.like(error, { code: 'EEXIST', errno: -EEXIST, syscall: 'netlink', asked: 'create veth slc0' });
  t.is(error?.message, 'create veth slc0: EEXIST (File exists, really, at byte 36 of the request)');
  t.is(oracle.parseError(Buffer.from(payload), message.flags).errno, -EEXIST);
});

test('netlink: the reason is found behind a request that is quoted in full', (t) => {
  const quoted = new Uint8Array(24 - 16);
  const rest = new Uint8Array(quoted.length + EXTACK.length);
  rest.set(EXTACK, quoted.length);
  const payload = errorPayload(ENODEV, 24, rest);
  const error = errorOf({ type: NLMSG_ERROR, flags: ACK_TLVS, seq: 1, payload }, 'set link 9');
  t.is(error?.reason, 'File exists, really, at byte 36 of the request');
});

test('netlink: an error without a reason says its code alone', (t) => {
  const payload = errorPayload(ENODEV, 32, new Uint8Array(16));
  const error = errorOf({ type: NLMSG_ERROR, flags: 0, seq: 1, payload }, 'set link 9');
  t.is(error?.message, 'set link 9: ENODEV');
});

test('netlink: a dump that fails at its end is an error', (t) => {
  const payload = Uint8Array.of(256 - ENODEV, 255, 255, 255);
  const error: NetlinkError | undefined = errorOf(
    { type: NLMSG_DONE, flags: 2, seq: 1, payload },
    'list links',
  );
  t.is(error?.code, 'ENODEV');
});

test('netlink: success is no error', (t) => {
  const ack = { type: NLMSG_ERROR, flags: CAPPED, seq: 1, payload: errorPayload(0, 32, EXTACK) };
  t.is(errorOf(ack, 'anything'), undefined);
  t.is(errorOf({ ...ack, type: NLMSG_DONE, payload: new Uint8Array(4) }, 'anything'), undefined);
});

test('netlink: a missing or short attribute reads as undefined', (t) => {
  const attributes = decodeAttributes(attributeBytes([u16Attribute(1, 7), textAttribute(2, 'ab')]));
  t.is(u32Of(attributes, 1), undefined);
  t.is(u32Of(attributes, 9), undefined);
  t.is(textOf(attributes, 2), 'ab');
  t.is(textOf(attributes, 9), undefined);
});

test('netlink: an attribute too long for its length field is refused', (t) => {
  const attributes = [bytesAttribute(1, new Uint8Array(0x10000))];
  t.throws(() => attributeBytes(attributes), { instanceOf: RangeError, message: /65540 bytes/ });
});
