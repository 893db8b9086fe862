/**
 * The traffic generator's process: BPF_PROG_TEST_RUN with live frames, pinned to one processor
 * by whoever starts it. One line of input is a number of frames to send; the answer is a line
 * with the nanoseconds that took. A call blocks until all frames are sent and processed.
 *
 *   generator-child.ts JSON     JSON: GeneratorSpec of generator.ts
 */
import { createInterface } from 'node:readline';
import { loadProgram } from '../../src/kernel/programs.js';
import { mapCreate, mapUpdate, openNetns, progTestRun } from '../../src/native.js';
import type { GeneratorSpec } from './generator.js';
import { udpTemplate, WIRE_FRAME_LEN } from './udp-template.js';

// linux/bpf.h
const BPF_MAP_TYPE_ARRAY = 2;
const BPF_F_TEST_XDP_LIVE_FRAMES = 2;
/** Frames between two flushes; the kernel's own default. */
const BATCH = 64;
/** struct gen_config of gen.bpf.c: ifindex, flow_count, state, header. */
const CONFIG_SIZE = 80;
const CONFIG_HEADER_OFF = 16;

function loadGenerator(spec: GeneratorSpec): number {
  const config = new Uint8Array(CONFIG_SIZE);
  const view = new DataView(config.buffer);
  view.setUint32(0, spec.ifindex, true);
  view.setUint32(4, spec.flows, true);
  config.set(udpTemplate(spec.path), CONFIG_HEADER_OFF);
  const map = mapCreate({
    type: BPF_MAP_TYPE_ARRAY,
    keySize: 4,
    valueSize: CONFIG_SIZE,
    maxEntries: 1,
    flags: 0,
    name: 'gen_config',
  });
  mapUpdate(map, new Uint8Array(4), config);
  return loadProgram('gen_xdp', { gen_config: map });
}

async function serve(spec: GeneratorSpec): Promise<void> {
  const program = loadGenerator(spec);
  const netnsFd = openNetns(spec.netnsPath);
  const dataIn = new Uint8Array(WIRE_FRAME_LEN);
  console.log('ready');
  for await (const line of createInterface({ input: process.stdin })) {
    const repeat = Number(line);
    const begin = process.hrtime.bigint();
    progTestRun(program, {
      dataIn,
      repeat,
      flags: BPF_F_TEST_XDP_LIVE_FRAMES,
      batchSize: BATCH,
      netnsFd,
    });
    console.log(String(process.hrtime.bigint() - begin));
  }
}

await serve(JSON.parse(process.argv[2] ?? '{}') as GeneratorSpec);
