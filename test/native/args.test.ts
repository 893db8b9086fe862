import test from 'ava';

import { PORTS_BASE } from '../../assembly/abi.js';
import * as native from '../../src/native.js';

const PAGE = 4096;

function memory(): Uint8Array {
  const view = new Uint8Array(new WebAssembly.Memory({ initial: 4, maximum: 4 }).buffer);
  return view.fill(0xa5);
}

const untouched = (view: Uint8Array): boolean => view.every((byte) => byte === 0xa5);

for (const [what, off, len] of [
  ['before the end', 4 * 65536 - PAGE, 2 * PAGE],
  ['past the end', 4 * 65536, PAGE],
  ['not on a page', 100, PAGE],
  ['not whole pages', 0, 100],
  ['of no bytes', 0, 0],
  ['at a negative offset', -PAGE, PAGE],
  ['at a fractional offset', 0.5, PAGE],
  ['at NaN', Number.NaN, PAGE],
  ['whose end wraps 32 bits', PAGE, 2 ** 32 - PAGE],
] as const) {
  test(`args: a window ${what} is refused and memory stays as it was`, (t) => {
    const view = memory();
    const refused = { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' };
    t.throws(() => {
      native.coverAnonymous(view, off, len);
    }, refused);
    const fd = native.eventfd();
    t.teardown(() => {
      native.closeFd(fd);
    });
    t.throws(() => {
      native.mapFd(fd, view, off, len);
    }, refused);
    t.true(untouched(view));
  });
}

test('args: an AF_XDP socket whose rings and frames overlap is refused before any call', (t) => {
  const view = memory();
  const spec = {
    view,
    umemOff: 0,
    umemLen: 32 * 2048,
    frameSize: 2048,
    ringOff: PAGE,
    ringSize: 64,
    ifindex: 1,
    queue: 0,
    zeroCopy: 'auto',
    portOff: 0,
  } as const;
  t.throws(() => native.xskOpen(spec), { instanceOf: RangeError, message: /overlap/ });
  t.throws(() => native.xskOpen({ ...spec, ringSize: 63 }), { message: /power of two/ });
  t.throws(() => native.xskOpen({ ...spec, portOff: view.length }), { message: /port record/ });
  t.true(untouched(view));
});

test('args: a port record with ring addresses outside memory is refused', (t) => {
  const view = memory();
  const fd = native.eventfd();
  t.teardown(() => {
    native.closeFd(fd);
  });
  t.throws(() => native.packetPump(fd, view, PORTS_BASE, 64), { instanceOf: RangeError });
  t.throws(() => native.packetPump(fd, view, PORTS_BASE, 0), { message: /budget/ });
  t.throws(() => native.packetPump(fd, view, PORTS_BASE + 2, 64), { message: /multiple of 4/ });
  t.true(untouched(view));
});

test('args: the wrong type is a TypeError that names the argument', (t) => {
  const wrong = (value: unknown): never => value as never;
  const expected = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' };
  t.throws(() => native.openNetns(wrong(3)), { ...expected, message: /^path / });
  t.throws(() => native.poll(wrong([1]), 0), { ...expected, message: /^fds / });
  t.throws(() => native.netlinkRequest(0, wrong(new Uint16Array(8))), {
    ...expected,
    message: /^message /,
  });
  t.throws(
    () => {
      native.closeFd(wrong('3'));
    },
    { ...expected, message: /^fd / },
  );
});

test('args: a netlink message whose length lies is refused before it is sent', (t) => {
  const short = new Uint8Array(16);
  short[0] = 200;
  t.throws(() => native.netlinkRequest(0, short), { instanceOf: RangeError });
  t.throws(() => native.netlinkRequest(0, new Uint8Array(0)), { instanceOf: RangeError });
});

test('args: a text with a NUL byte is refused, not cut', (t) => {
  t.throws(() => native.openNetns('/proc/self/ns/net\0x'), { instanceOf: RangeError });
});

test('errors: a failed call has the shape of Node itself', (t) => {
  const thrown = t.throws(() => native.openNetns('/nowhere/at/all'));
  t.like(thrown, { code: 'ENOENT', errno: -2, syscall: 'open' });
  t.regex(thrown.message, /^ENOENT: .*, open \(\/nowhere\/at\/all\)$/);
  t.like(
    t.throws(() => {
      native.closeFd(1_000_000);
    }),
    { code: 'EBADF', errno: -9, syscall: 'close' },
  );
});

test('netns: what is not a namespace is refused when it is opened', (t) => {
  t.like(
    t.throws(() => native.openNetns('/proc/self/status')),
    { code: 'EINVAL' },
  );
});

test('xsk: ring bytes are whole pages and enough for every descriptor', (t) => {
  for (const size of [1, 64, 512, 2048, 65536]) {
    const bytes = native.xskRingBytes(size);
    t.is(bytes % PAGE, 0);
    t.true(bytes >= size * (16 + 16 + 8 + 8));
  }
});
