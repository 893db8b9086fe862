import { mkdtempSync, rmdirSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import test from 'ava';

import * as native from '../../src/native.js';
import {
  BPF_F_MMAPABLE,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_HASH,
  BPF_PROG_TYPE_XDP,
  BPF_XDP,
  faulty,
  returning,
  u32,
  XDP_DROP,
  XDP_FLAGS_DRV_MODE,
  XDP_PASS,
} from './programs.js';
import { ip, namespace, rootTest, veth } from './root.js';

const PAGE = 4096;
const BPF_NOEXIST = 1;

function program(insns: Uint8Array): number {
  return native.progLoad({
    type: BPF_PROG_TYPE_XDP,
    expectedAttachType: BPF_XDP,
    name: 'test',
    insns,
  });
}

rootTest('map: a mapped array is the same bytes for WebAssembly memory and for bpf(2)', (t) => {
  const rows = 128;
  const size = 64;
  const spec = { keySize: 4, valueSize: size, maxEntries: rows, flags: BPF_F_MMAPABLE };
  const fd = native.mapCreate({ type: BPF_MAP_TYPE_ARRAY, name: 'flows', ...spec });
  const { id, ...shape } = native.mapInfo(fd);
  t.deepEqual(shape, { type: BPF_MAP_TYPE_ARRAY, ...spec });
  t.true(id > 0);

  const view = new Uint8Array(new WebAssembly.Memory({ initial: 4, maximum: 4 }).buffer);
  view.fill(0xa5);
  native.mapFd(fd, view, 8 * PAGE, rows * size);
  t.true(view.subarray(8 * PAGE, 10 * PAGE).every((byte) => byte === 0));
  t.true(view.subarray(7 * PAGE, 8 * PAGE).every((byte) => byte === 0xa5));
  t.true(view.subarray(10 * PAGE, 11 * PAGE).every((byte) => byte === 0xa5));

  native.mapUpdate(fd, u32(3), new Uint8Array(size).fill(7));
  t.deepEqual(view.slice(8 * PAGE + 3 * size, 8 * PAGE + 4 * size), new Uint8Array(size).fill(7));
  view.fill(9, 8 * PAGE + 5 * size, 8 * PAGE + 6 * size);
  t.deepEqual(native.mapLookup(fd, u32(5), size), new Uint8Array(size).fill(9));

  native.coverAnonymous(view, 8 * PAGE, rows * size);
  t.is(view[8 * PAGE + 3 * size], 0);
  t.deepEqual(native.mapLookup(fd, u32(3), size), new Uint8Array(size).fill(7));
  t.like(
    t.throws(() => {
      native.mapFd(fd, view, 8 * PAGE, 4 * PAGE);
    }),
    { syscall: 'mmap' },
    'more than the map has',
  );
  native.closeFd(fd);
});

rootTest('map: a hash is filled, walked and emptied', (t) => {
  const fd = native.mapCreate({
    type: BPF_MAP_TYPE_HASH,
    keySize: 4,
    valueSize: 8,
    maxEntries: 4,
    flags: 0,
    name: 'links',
  });
  t.is(native.mapNextKey(fd, undefined, 4), undefined);
  for (const key of [1, 2, 3]) native.mapUpdate(fd, u32(key), new Uint8Array(8).fill(key));
  const seen: number[] = [];
  for (let key = native.mapNextKey(fd, undefined, 4); key; key = native.mapNextKey(fd, key, 4)) {
    seen.push(key[0] ?? 0);
  }
  t.deepEqual(seen.sort(), [1, 2, 3]);
  t.is(native.mapLookup(fd, u32(9), 8), undefined);
  t.true(native.mapDelete(fd, u32(2)));
  t.false(native.mapDelete(fd, u32(2)));
  const thrown = t.throws(() => {
    native.mapUpdate(fd, u32(1), new Uint8Array(8), BPF_NOEXIST);
  });
  t.like(thrown, { code: 'EEXIST', errno: -17 });
  native.closeFd(fd);
});

rootTest('map: keys and values of another length never reach the kernel', (t) => {
  const spec = { keySize: 4, valueSize: 8, maxEntries: 4, flags: 0, name: 'm' };
  const fd = native.mapCreate({ type: BPF_MAP_TYPE_HASH, ...spec });
  const refused = { instanceOf: RangeError };
  t.throws(() => {
    native.mapUpdate(fd, new Uint8Array(3), new Uint8Array(8));
  }, refused);
  t.throws(() => {
    native.mapUpdate(fd, u32(1), new Uint8Array(7));
  }, refused);
  t.throws(() => native.mapLookup(fd, u32(1), 4), refused);
  t.throws(() => native.mapNextKey(fd, undefined, 2), refused);
  t.is(native.mapNextKey(fd, undefined, 4), undefined);
  native.closeFd(fd);
});

rootTest('program: a refusal carries the end of the verifier log', (t) => {
  const thrown = t.throws(() => program(faulty()));
  t.like(thrown, { code: 'EACCES', syscall: 'bpf(BPF_PROG_LOAD)' });
  t.regex(thrown.message, /R1 invalid mem access/);
});

rootTest('program: a test run returns the verdict and the packet', (t) => {
  const fd = program(returning(XDP_DROP));
  const dataIn = new Uint8Array(64).fill(5);
  const { retval, dataOut } = native.progTestRun(fd, { dataIn, repeat: 10 });
  t.is(retval, XDP_DROP);
  t.deepEqual(dataOut, dataIn);
  const live = native.progTestRun(fd, { dataIn, repeat: 100, flags: 2, batchSize: 16 });
  t.is(live.dataOut.length, 0);
  native.closeFd(fd);
});

rootTest('link: attach in a namespace, replace, pin, find again, detach', (t) => {
  const netns = namespace(t);
  const [a] = veth({ netns, ifname: 'a0', macByte: 1 }, { netns, ifname: 'b0', macByte: 2 });
  const [pass, drop] = [program(returning(XDP_PASS)), program(returning(XDP_DROP))];
  const link = native.linkCreate(pass, a.ifindex, BPF_XDP, XDP_FLAGS_DRV_MODE, netns.fd);
  const attached = (): number | undefined => {
    const [found] = JSON.parse(ip('-n', netns.name, '-j', 'link', 'show', 'a0')) as {
      xdp?: { prog: { id: number } };
    }[];
    return found?.xdp?.prog.id;
  };
  const first = attached();
  t.true(first !== undefined);
  native.linkUpdate(link, drop);
  t.not(attached(), first);

  const dir = mkdtempSync(join(tmpdir(), 'sluice-pins-'));
  native.mountBpffs(dir);
  t.teardown(() => {
    native.unmount(dir);
    rmdirSync(dir);
  });
  native.objPin(link, join(dir, 'link'));
  native.closeFd(link);
  t.true(attached() !== undefined, 'the pin keeps it');
  const again = native.objGet(join(dir, 'link'));
  native.linkUpdate(again, pass);
  t.is(attached(), first);
  native.linkDetach(again);
  t.is(attached(), undefined);
  native.closeFd(again);
  unlinkSync(join(dir, 'link'));
  t.like(
    t.throws(() => native.objGet(join(dir, 'link'))),
    { code: 'ENOENT' },
  );
  native.closeFd(pass);
  native.closeFd(drop);
});

test('embedded: every program is whole instructions and every relocation is one of them', (t) => {
  for (const object of native.embeddedObjects()) {
    for (const { insns, relocations } of object.programs) {
      t.is(insns.length % 8, 0);
      for (const { insn, map } of relocations) {
        t.is(insns[insn * 8], 0x18, 'lddw');
        t.not(map, '');
      }
    }
  }
  t.pass();
});
