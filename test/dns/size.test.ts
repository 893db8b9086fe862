/** How much linear memory the names of a cluster take (spec 6.5). */
import test from 'ava';
import { namesEvents, namesLoad, sliceEvent } from './scale.js';
import type { NamesScale } from './scale.js';

const MB = 1e6;

interface Budget extends NamesScale {
  readonly names: number;
  readonly rrsetBytes: number;
  readonly megabytes: number;
}

const BUDGETS: Readonly<Record<string, Budget>> = {
  '5 000 Services, 20 000 endpoints': {
    services: 5000,
    endpoints: 4,
    headlessEvery: 2,
    names: 100_000,
    rrsetBytes: 20 * MB,
    megabytes: 25,
  },
  '5 000 headless Services, 100 000 endpoints': {
    services: 5000,
    endpoints: 20,
    headlessEvery: 1,
    names: 260_000,
    rrsetBytes: 90 * MB,
    megabytes: 100,
  },
};

for (const [title, budget] of Object.entries(BUDGETS)) {
  test.serial(`size: ${title} take ${budget.megabytes} MB at most`, (t) => {
    const load = namesLoad(budget.names, budget.rrsetBytes);
    t.true(load.tableBytes() <= budget.megabytes * MB, `${load.tableBytes()} bytes of tables`);
    const events = namesEvents(budget);
    for (const event of events) load.zone.apply(load.cluster.apply(event).names);
    const begin = performance.now();
    const written = load.flush();
    const ms = performance.now() - begin;
    t.deepEqual(load.zone.problems(), []);
    const { names, rrsetBytes } = load.used();
    t.is(names, load.zone.size());
    t.true(names > budget.services * budget.endpoints * 2);
    t.log(`${names} names, ${(rrsetBytes / MB).toFixed(1)} MB of entries in use`);
    t.log(`${(written / MB).toFixed(1)} MB written in ${ms.toFixed(0)} ms`);
    const fewer = sliceEvent({ ...budget, endpoints: budget.endpoints - 1 }, 0, 0);
    load.zone.apply(load.cluster.apply(fewer).names);
    t.true(load.flush() > 0);
    t.true(load.used().names < names, 'what one Service had is gone');
  });
}
