/**
 * What a change costs a control plane that knows a large cluster:
 *
 *   control/one-change/NAME[/p99]  one endpoint of one slice is replaced: from the event to the
 *                                  rows in the core, without the time changes are gathered for
 *   control/noop-resync/NAME       every object is said again as it was: nothing is programmed
 */
import { DELTA_SIZE } from '../../assembly/abi.js';
import { alone, type Context, type Result, type Suite } from '../harness.js';
import { missingCore } from './missing.js';
import { percentile } from './percentile.js';
import {
  changeEvent,
  clusterEvents,
  createLoadedPlane,
  program,
  QUARTER_MILLION,
  TEN_THOUSAND,
  type Plane,
  type Scale,
} from './scale.js';

/** Changes of a sample. */
const CHANGES = 300;
/** A change is a new set, its Maglev table, its service and a backend more and one less. */
const RECORDS_MAX = 16;

/** @returns milliseconds of each change, ascending */
function sampleChanges({ control, core }: Plane, scale: Scale, from: number): number[] {
  const times = Array.from({ length: CHANGES }, (_, i) => {
    const event = changeEvent(scale, from + i);
    const begin = performance.now();
    control.apply(event);
    const records = control.flush();
    program({ control, core }, records);
    const ms = performance.now() - begin;
    const count = records.length / DELTA_SIZE;
    if (count === 0 || count > RECORDS_MAX) throw new Error(`${count} records for one change`);
    return ms;
  });
  return times.sort((a, b) => a - b);
}

function runChanges(context: Context, name: string, scale: Scale): Promise<Result[]> {
  const plane = createLoadedPlane(scale);
  let made = 0;
  const sample = (): number[] => {
    const times = sampleChanges(plane, scale, made);
    made += CHANGES;
    context.note(
      `p50 ${percentile(times, 0.5).toFixed(3)}, p99 ${percentile(times, 0.99).toFixed(3)} ms`,
    );
    return times;
  };
  sample();
  const samples = Array.from({ length: context.samples }, sample);
  const result = (label: string, share: number): Result =>
    alone(
      { name: label, unit: 'ms', better: 'lower' },
      samples.map((times) => percentile(times, share)),
    );
  return Promise.resolve([result(name, 0.5), result(`${name}/p99`, 0.99)]);
}

function runResync({ samples, quick }: Context, name: string, scale: Scale): Promise<Result[]> {
  const plane = createLoadedPlane(scale);
  const events = clusterEvents(scale);
  const values = Array.from({ length: quick ? 2 : samples }, () => {
    const begin = performance.now();
    for (const event of events) plane.control.apply(event);
    const records = plane.control.flush();
    if (records.length !== 0) throw new Error(`${records.length / DELTA_SIZE} records for nothing`);
    return (performance.now() - begin) / 1e3;
  });
  return Promise.resolve([alone({ name, unit: 's', better: 'lower' }, values)]);
}

function suitesOf(scaleName: string, scale: Scale): Suite[] {
  const change = `control/one-change/${scaleName}`;
  const resync = `control/noop-resync/${scaleName}`;
  return [
    {
      names: [change, `${change}/p99`],
      missing: missingCore,
      run: (context) => runChanges(context, change, scale),
    },
    {
      names: [resync],
      missing: missingCore,
      run: (context) => runResync(context, resync, scale),
    },
  ];
}

export const suites: readonly Suite[] = [
  ...suitesOf('10k', TEN_THOUSAND),
  ...suitesOf('250k-endpoints', QUARTER_MILLION),
];
