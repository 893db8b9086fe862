import { closeFd, mapCreate, mapLookup, mapUpdate, progTestRun } from '../../src/native.js';
import { loadProgram } from '../../src/kernel/programs.js';
import { rootTest } from '../native/root.js';
import { addr4, addr6, frameOf, rawFrame, type Tuple } from './frames.js';
import { XDP_DROP, XDP_REDIRECT } from './use-rig.js';

const BPF_MAP_TYPE_ARRAY = 2;
const KEY0 = new Uint8Array(4);
/** struct gen_config of gen.bpf.c: ifindex, flow_count, state, header. */
const CONFIG_SIZE = 80;
const FLOW_COUNT_OFF = 4;
const HEADER_OFF = 16;
const HEADER_MAX = 64;
/** 2^15 ports times 4 addresses. */
const FLOWS = 1 << 17;
const RUNS = 64;

const TEMPLATE4: Tuple = {
  v6: false,
  proto: 'udp',
  src: addr4('10.9.0.0'),
  dst: addr4('10.96.0.1'),
  sport: 0,
  dport: 80,
};
const TEMPLATE6: Tuple = {
  ...TEMPLATE4,
  v6: true,
  src: addr6('fd09:0:0:0:0:0:0:0'),
  dst: addr6('fd96:0:0:0:0:0:0:1'),
};

function array(name: string, valueSize: number): number {
  return mapCreate({
    type: BPF_MAP_TYPE_ARRAY,
    keySize: 4,
    valueSize,
    maxEntries: 1,
    flags: 0,
    name,
  });
}

rootTest('generator: every frame is whole and valid whatever lay there, flows differ', (t) => {
  const map = array('gen_config', CONFIG_SIZE);
  const program = loadProgram('gen_xdp', { gen_config: map });
  t.teardown(() => {
    closeFd(program);
    closeFd(map);
  });
  const payload = new Uint8Array(18);
  for (const template of [TEMPLATE4, TEMPLATE6]) {
    for (const noChecksum of [false, true]) {
      const header = frameOf(template, { payload, noChecksum }).subarray(0, HEADER_MAX);
      const config = Buffer.alloc(CONFIG_SIZE);
      config.writeUInt32LE(FLOWS, FLOW_COUNT_OFF);
      config.set(header, HEADER_OFF);
      mapUpdate(map, KEY0, config);
      const seen = new Set<string>();
      for (let i = 0; i < RUNS; i++) {
        const dirty = frameOf(template, { payload }).fill(0xa5, 0, template.v6 ? 62 : 42);
        const { retval, dataOut } = progTestRun(program, { dataIn: dirty });
        t.is(retval, XDP_REDIRECT);
        const out = Buffer.from(dataOut);
        const addrEnd = template.v6 ? 38 : 30;
        const src = Uint8Array.from(template.src);
        src.set(out.subarray(addrEnd - 1, addrEnd), src.length - 1);
        const tuple = { ...template, src, sport: out.readUInt16BE(template.v6 ? 54 : 34) };
        t.deepEqual(out, frameOf(tuple, { payload, noChecksum }));
        seen.add(`${src.join('.')}:${tuple.sport}`);
      }
      t.true(seen.size > RUNS / 2, `${seen.size} flows in ${RUNS} frames`);
    }
  }
});

rootTest('counter: every frame is dropped and counted', (t) => {
  const map = array('count', 8);
  const program = loadProgram('count_xdp', { count: map });
  t.teardown(() => {
    closeFd(program);
    closeFd(map);
  });
  const frame = rawFrame(0x0800, new Uint8Array(46));
  t.is(progTestRun(program, { dataIn: frame, repeat: RUNS }).retval, XDP_DROP);
  t.is(Buffer.from(mapLookup(map, KEY0, 8) ?? []).readBigUInt64LE(), BigInt(RUNS));
});
