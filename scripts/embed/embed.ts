/**
 * `npm run embed -- [HOST]... [--json]`
 *
 * Prepares the hosts of examples/embed, all of them unless some are named, into build/embed, runs one
 * after the other, and prints how many vectors each reproduces and how fast. A host whose tools are
 * missing is named and skipped; the exit code is 1 when one fails, or when nothing could run. With
 * --json stdout has the hosts' own lines and nothing else.
 */
import os from 'node:os';
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/errors.js';
import { formatTable } from '../../src/ops/format.js';
import { HOSTS, missingOf } from './hosts.js';
import type { Host } from './hosts.js';
import { prepareHost, runHost } from './run.js';
import type { Report } from './run.js';

const HEADINGS = ['RUNTIME', 'VERSION', 'VECTORS', 'NS/PACKET', 'NS/DNS ANSWER', 'START-UP MS'];
/** Compilers that are at work at the same time. */
const PREPARED_AT_ONCE = 2;

interface Outcome {
  readonly host: Host;
  readonly report: Report | undefined;
  readonly isGood: boolean;
}

/** Progress and complaints: stdout belongs to the result. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** @throws Error naming a host that there is none of */
function chosenHosts(names: readonly string[]): readonly Host[] {
  const unknown = names.find((name) => !HOSTS.some((host) => host.name === name));
  if (unknown !== undefined) {
    const known = HOSTS.map(({ name }) => name).sort();
    throw new Error(`no host "${unknown}": there are ${known.join(', ')}`);
  }
  return names.length === 0 ? HOSTS : HOSTS.filter(({ name }) => names.includes(name));
}

/** @returns the hosts that can be run, and says why the others can't */
async function prepareAll(hosts: readonly Host[]): Promise<ReadonlySet<Host>> {
  const ready = new Set<Host>();
  const waiting = [...hosts];
  const work = async (): Promise<void> => {
    for (let host = waiting.shift(); host; host = waiting.shift()) {
      const begin = performance.now();
      try {
        await prepareHost(host);
        ready.add(host);
        say(`${host.name}: prepared in ${((performance.now() - begin) / 1000).toFixed(1)} s`);
      } catch (error) {
        say(`${host.name}: ${messageOf(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: PREPARED_AT_ONCE }, work));
  return ready;
}

async function runOne(host: Host, json: boolean): Promise<Outcome> {
  try {
    const { code, report, complaints } = await runHost(host);
    if (complaints !== '') say(complaints);
    if (json && report) console.log(JSON.stringify(report));
    return { host, report, isGood: code === 0 && report !== undefined };
  } catch (error) {
    say(`${host.name}: ${messageOf(error)}`);
    return { host, report: undefined, isGood: false };
  }
}

function rowOf({ host, report }: Outcome): string[] {
  if (!report) return [host.name, 'failed'];
  const fixed = (value: number | null): string => (value === null ? 'failed' : value.toFixed(1));
  return [
    report.runtime,
    report.version,
    `${report.passed}/${report.total}`,
    fixed(report.nsPerPacket),
    fixed(report.nsPerAnswer),
    fixed(report.startMs),
  ];
}

/** @returns the exit code */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  });
  const able = chosenHosts(positionals).filter((host) => {
    const missing = missingOf(host);
    if (missing !== undefined) say(`${host.name}: skipped, ${missing}`);
    return missing === undefined;
  });
  if (able.length === 0) {
    say('embed: no host could be run');
    return 1;
  }
  const ready = await prepareAll(able);
  const outcomes: Outcome[] = [];
  // One at a time: they are measured.
  for (const host of able) {
    const isReady = ready.has(host);
    outcomes.push(
      isReady ? await runOne(host, values.json) : { host, report: undefined, isGood: false },
    );
  }
  if (!values.json) {
    const cpus = os.cpus();
    console.log(`${cpus[0]?.model.trim() ?? 'unknown processor'}, ${cpus.length} cores\n`);
    console.log(formatTable(HEADINGS, outcomes.map(rowOf)));
  }
  return outcomes.every(({ isGood }) => isGood) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  say(`embed: ${messageOf(error)}`);
  process.exitCode = 2;
}
