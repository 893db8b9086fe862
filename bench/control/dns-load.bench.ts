/**
 * The names of a whole cluster into an empty core, and one change of them:
 *
 *   control/dns-load/NAME          objects in, names in the core: CPU seconds
 *   control/dns-load/NAME/names    records of the model to names, the core included
 *   control/dns-load/NAME/entries  MB of linear memory in use for names and entries
 *   control/dns-load/NAME/change   one slice changes: event in, names in the core, CPU ms, median
 */
import { namesEvents, namesLoad, sliceEvent } from '../../test/dns/scale.js';
import type { NamesScale } from '../../test/dns/scale.js';
import { alone } from '../harness.js';
import type { Context, Result, Suite } from '../harness.js';
import { missingCore } from './missing.js';
import { collectGarbage } from './scale.js';

const MB = 1e6;
const QUICK_LOADS = 2;
const CHANGES = 200;
/** Of a row; half of them stay empty. */
const BYTES_PER_NAME = 32;

const TWENTY_THOUSAND: NamesScale = { services: 5000, endpoints: 4, headlessEvery: 2 };
const HUNDRED_THOUSAND: NamesScale = { services: 5000, endpoints: 20, headlessEvery: 1 };

interface LoadSample {
  readonly total: number;
  readonly names: number;
  readonly entries: number;
  readonly change: number;
}

/** CPU seconds that something takes: others may be at work here. */
function cpuSec(run: () => void): number {
  const begin = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1e6;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

function sampleOf(scale: NamesScale): LoadSample {
  const load = namesLoad(260_000, 90 * MB);
  const events = namesEvents(scale);
  collectGarbage();
  const model = cpuSec(() => {
    for (const event of events) load.zone.apply(load.cluster.apply(event).names);
  });
  const names = cpuSec(() => load.flush());
  if (load.zone.problems().length > 0) throw new Error('the tables are too small');
  const used = load.used();
  const changes = Array.from({ length: CHANGES }, (_, i) => {
    const event = sliceEvent({ ...scale, endpoints: scale.endpoints - 1 }, i, 0);
    return cpuSec(() => {
      load.zone.apply(load.cluster.apply(event).names);
      load.flush();
    });
  });
  return {
    total: model + names,
    names,
    entries: (used.names * BYTES_PER_NAME + used.rrsetBytes) / MB,
    change: median(changes) * 1e3,
  };
}

const UNITS = { total: 's', names: 's', entries: 'MB', change: 'ms' } as const;
const PARTS = ['names', 'entries', 'change'] as const satisfies readonly (keyof LoadSample)[];

function suite(name: string, scale: NamesScale): Suite {
  const run = (context: Context): Promise<Result[]> => {
    const count = context.quick ? QUICK_LOADS : context.samples;
    const samples = Array.from({ length: count }, () => {
      const sample = sampleOf(scale);
      context.note(`${sample.total.toFixed(2)} s, ${sample.change.toFixed(2)} ms a change`);
      return sample;
    });
    const result = (key: keyof LoadSample, label: string): Result =>
      alone(
        { name: label, unit: UNITS[key], better: 'lower' },
        samples.map((sample) => sample[key]),
      );
    return Promise.resolve([
      result('total', name),
      ...PARTS.map((part) => result(part, `${name}/${part}`)),
    ]);
  };
  return { names: [name, ...PARTS.map((part) => `${name}/${part}`)], missing: missingCore, run };
}

export const suites: readonly Suite[] = [
  suite('control/dns-load/20k-endpoints', TWENTY_THOUSAND),
  suite('control/dns-load/100k-endpoints', HUNDRED_THOUSAND),
];
