import { readFileSync } from 'node:fs';
import test from 'ava';
import * as abi from '../../assembly/abi.js';
import { checkSkipReason, staleHeaders } from '../../scripts/build-bpf.js';
import { projectAbi, writeAbiHeader } from '../../scripts/gen-abi-h.js';

const HEADER = new URL('../../native/bpf/generated/abi.h', import.meta.url);
const MAPS_H = new URL('../../native/bpf/maps.h', import.meta.url);

function defines(text: string): Map<string, number> {
  const found = text.matchAll(/^#define (\w+) (\d+)u?$/gm);
  return new Map([...found].map(([, name = '', value = '']) => [name, Number(value)]));
}

test('abi.h: is what abi.ts says today', (t) => {
  t.true(writeAbiHeader(true), 'run npm run build:bpf');
});

test('abi.h: layout constants and enum members arrive with their values', (t) => {
  const found = defines(readFileSync(HEADER, 'utf8'));
  t.is(found.get('FLOW4_SIZE'), abi.FLOW4_SIZE);
  t.is(found.get('FLOW_ADDR_DELTA_OFF'), abi.FLOW_ADDR_DELTA_OFF);
  t.is(found.get('ACTION_UPLINK'), abi.Action.UPLINK);
  t.is(found.get('KERNEL_COUNTER_UNKNOWN_LINK'), abi.KernelCounter.UNKNOWN_LINK);
  t.is(found.get('FAIL_MODE_CLOSED'), abi.FailMode.CLOSED);
  t.is(found.get('PKT_NO_SERVICE'), 0xffffffff);
});

test('abi.h: a constant that C cannot hold is refused by name', (t) => {
  t.throws(() => projectAbi({ HALF: 0.5 }), { message: /HALF is 0\.5/ });
  t.throws(() => projectAbi({ WIDE: 2 ** 32 }), { message: /WIDE/ });
  t.throws(() => projectAbi({ OP_NONE: 1, Op: { NONE: 0 } }), { message: /OP_NONE/ });
});

test('layout: rows are whole cache lines, their fields where the programs load them as one', (t) => {
  t.is(abi.FLOW4_SIZE, 1 << abi.FLOW4_SHIFT);
  t.is(abi.FLOW6_SIZE, 1 << abi.FLOW6_SHIFT);
  t.is(abi.TALLY_SIZE, 1 << abi.TALLY_SHIFT);
  for (const size of [abi.FLOW4_SIZE, abi.FLOW6_SIZE, abi.TALLY_SIZE]) t.is(size % 64, 0);
  // 8-byte loads and stores.
  for (const off of [
    abi.FLOW_DST_MAC_OFF,
    abi.FLOW4_SRC_OFF,
    abi.FLOW4_NEW_SRC_OFF,
    abi.FLOW6_SRC_OFF,
    abi.FLOW6_DST_OFF,
    abi.FLOW6_NEW_SRC_OFF,
    abi.FLOW6_NEW_DST_OFF,
    abi.TALLY_KERNEL_PACKETS_OFF,
    abi.TALLY_KERNEL_BYTES_OFF,
    abi.TALLY_KERNEL_SEEN_NS_OFF,
  ]) {
    t.is(off % 8, 0);
  }
  t.is(abi.COUNTER_KERNEL_BASE + 512, abi.COUNTERS_BYTES / 8);
});

test('layout: the links value of maps.h is the 32 bytes the host writes', (t) => {
  const found = defines(readFileSync(MAPS_H, 'utf8'));
  t.is(found.get('LINKS_ADDR4_OFF'), 0);
  t.is(found.get('LINKS_ADDR6_OFF'), 8);
  t.is(found.get('LINKS_MAC_OFF'), 24);
  t.is(found.get('LINKS_VALUE_SIZE'), 32);
});

const skip = checkSkipReason();
if (skip === undefined) {
  test('bytecode: the committed headers are what the sources compile to', (t) => {
    t.deepEqual(staleHeaders(), [], 'run npm run build:bpf');
  });
} else {
  test.skip(`bytecode: the committed headers are what the sources compile to [${skip}]`, (t) => {
    t.pass();
  });
}
