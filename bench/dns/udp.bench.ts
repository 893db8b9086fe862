/**
 * Answers over UDP on loopback, `sluice dns` against Debian's servers with the same names:
 *
 *   dns/udp/one, /5k, /mix   against Knot with one worker; answers a second of the server's processor
 *   dns/udp/NAME/unbound      the same against Unbound, which has every name in its cache
 *   dns/udp/NAME/rate         answers a second, where the server and the client have a processor each
 *
 * The processor time of a server is what it costs a node; it also stays what it is when something else
 * runs, which the rate does not.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { comparison, type Context, type Result, type Suite } from '../harness.js';
import { missingNative } from '../net/sluice.js';
import { missingTools } from '../net/sh.js';
import { GENERATOR_CPU, SUBJECT_CPU } from '../pin.js';
import type { Scope } from '../scope.js';
import { ask, warm, type LoadSample } from './load.js';
import { startKnot, startSluice, startUnbound, workDir, type Server } from './servers.js';
import { writeQueries, type QueryFiles } from './zone.js';

const CLIENT = { cpu: GENERATOR_CPU };
const SECONDS = 4;
const QUICK_SECONDS = 1;
const WARM_SECONDS = 5;
const CASES = { one: 'one', '5k': 'all', mix: 'mix' } as const satisfies Record<
  string,
  keyof QueryFiles
>;

interface Rig {
  readonly queries: QueryFiles;
  readonly sluice: Server;
  readonly knot: Server;
  readonly unbound: Server;
}

async function openRig(scope: Scope): Promise<Rig> {
  const dir = workDir(scope);
  const part = (name: string): string => {
    const full = path.join(dir, name);
    mkdirSync(full);
    return full;
  };
  const queries = writeQueries(dir);
  const knot = await startKnot(scope, part('knot'), SUBJECT_CPU);
  const unbound = await startUnbound(scope, part('unbound'), SUBJECT_CPU, knot);
  const sluice = await startSluice(scope, part('sluice'), SUBJECT_CPU);
  await warm(unbound, queries.mix, CLIENT);
  // Loading names and compiling itself is over when Node has answered for a while.
  await ask(sluice, { queries: queries.mix, seconds: WARM_SECONDS, client: CLIENT });
  return { queries, sluice, knot, unbound };
}

/** All servers in turn, so that each pair is taken next to one another. */
async function compareThree(
  context: Context,
  rig: Rig,
  queries: string,
): Promise<Record<'sluice' | 'knot' | 'unbound', LoadSample[]>> {
  const seconds = context.quick ? QUICK_SECONDS : SECONDS;
  const of: Record<'sluice' | 'knot' | 'unbound', LoadSample[]> = {
    sluice: [],
    knot: [],
    unbound: [],
  };
  for (let i = 0; i <= context.samples; i++) {
    for (const server of [rig.knot, rig.sluice, rig.unbound]) {
      const sample = await ask(server, { queries, seconds, client: CLIENT });
      const thousands = (n: number): string => `${(n / 1e3).toFixed(0)} k`;
      context.note(
        `${server.name}: ${thousands(sample.perCpu)} a CPU second, ${thousands(sample.perSec)} a second`,
      );
      // The first of each does not count.
      if (i > 0) of[server.name].push(sample);
    }
  }
  return of;
}

async function runCase(context: Context, rig: Rig, name: keyof typeof CASES): Promise<Result[]> {
  context.note(`dns/udp/${name}`);
  const { sluice, knot, unbound } = await compareThree(context, rig, rig.queries[CASES[name]]);
  const label = (suffix: string, unit: string) =>
    ({ name: `dns/udp/${name}${suffix}`, unit, better: 'higher' }) as const;
  const byKnot = { ours: sluice, theirs: knot };
  return [
    comparison(label('', 'answers/CPU s'), byKnot, 'perCpu', 'knotd, one UDP worker'),
    comparison(
      label('/unbound', 'answers/CPU s'),
      { ours: sluice, theirs: unbound },
      'perCpu',
      'unbound, one thread, cached',
    ),
    comparison(label('/rate', 'answers/s'), byKnot, 'perSec', 'knotd, one UDP worker'),
  ];
}

const names = Object.keys(CASES) as (keyof typeof CASES)[];

export const suites: readonly Suite[] = [
  {
    names: [
      'dns/udp/one',
      ...names.flatMap((name) => ['', '/unbound', '/rate'].map((part) => `dns/udp/${name}${part}`)),
    ],
    missing: () => Promise.resolve(missingTools('knotd', 'unbound', 'dnsperf') ?? missingNative()),
    run: async (context) => {
      const rig = await openRig(context.scope);
      const results: Result[] = [];
      for (const name of names) results.push(...(await runCase(context, rig, name)));
      return results;
    },
  },
];
