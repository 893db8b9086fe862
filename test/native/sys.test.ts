import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import test from 'ava';

import * as native from '../../src/native.js';
import { rootTest } from './root.js';

test('poll: an eventfd wakes it, draining puts it back to sleep', (t) => {
  const fds = [native.eventfd(), native.eventfd()];
  const wanted = Int32Array.from(fds);
  t.is(native.poll(wanted, 0), 0);
  native.signal(fds[1] ?? -1);
  native.signal(fds[1] ?? -1);
  t.is(native.poll(wanted, 1000), 0b10);
  t.is(native.drain(fds[1] ?? -1), 2);
  t.is(native.drain(fds[1] ?? -1), 0);
  t.is(native.poll(wanted, 0), 0);
  for (const fd of fds) native.closeFd(fd);
});

test('poll: a closed descriptor is an error, a negative one is skipped', (t) => {
  t.is(native.poll(Int32Array.of(-1), 0), 0);
  t.like(
    t.throws(() => native.poll(Int32Array.of(1_000_000), 0)),
    { code: 'EBADF', syscall: 'ppoll' },
  );
  t.throws(() => native.poll(new Int32Array(33), 0), { instanceOf: RangeError });
});

test('poll: a timeout of 20.5 ms takes at least that long', (t) => {
  const fd = native.eventfd();
  const before = native.monotonicMs();
  t.is(native.poll(Int32Array.of(fd), 20.5), 0);
  t.true(native.monotonicMs() - before >= 20.5);
  native.closeFd(fd);
});

test('clock: monotonicMs is the clock of process.hrtime', (t) => {
  const before = Number(process.hrtime.bigint()) / 1e6;
  const between = native.monotonicMs();
  const after = Number(process.hrtime.bigint()) / 1e6;
  t.true(before <= between && between <= after);
});

test('pinThread: the kernel reports the processor it was given', (t) => {
  const allowed = (): string | undefined =>
    /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/thread-self/status', 'utf8'))?.[1];
  const [first] = (allowed() ?? '0').split(/[-,]/);
  native.pinThread(Number(first));
  t.is(allowed(), first);
  t.throws(
    () => {
      native.pinThread(-1);
    },
    { instanceOf: RangeError },
  );
});

test('tryLock: one open file at a time has it, until it is unlocked or closed', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-lock-'));
  const [first, second] = [1, 2].map(() => openSync(join(folder, 'lock'), 'w'));
  if (first === undefined || second === undefined) throw new Error('no file');
  t.true(native.tryLock(first));
  t.false(native.tryLock(second));
  native.unlock(first);
  t.true(native.tryLock(second));
  t.false(native.tryLock(first));
  closeSync(second);
  t.true(native.tryLock(first));
  closeSync(first);
  t.throws(() => native.tryLock(1_000_000), { code: 'EBADF' });
  rmSync(folder, { recursive: true });
});

rootTest('bpffs: a mount is recognised and can be taken away', (t) => {
  const path = mkdtempSync(join(tmpdir(), 'sluice-bpffs-'));
  t.false(native.isBpffs(path));
  native.mountBpffs(path);
  t.true(native.isBpffs(path));
  native.unmount(path);
  t.false(native.isBpffs(path));
  rmdirSync(path);
  t.false(native.isBpffs(path));
});
