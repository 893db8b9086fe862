/**
 * Put random questions about a random cluster to our DNS, and compare what it says with what the
 * specification says, or with what another server says.
 *
 *     npx tsx scripts/dns-diff.ts [--seed N] [--queries N]          our core and the model
 *     npx tsx scripts/dns-diff.ts --seed N --write DIR [--port P]   write the cluster: YAML, a Corefile,
 *                                                                   master files, knot.conf for port P
 *     npx tsx scripts/dns-diff.ts --seed N --ours HOST:PORT         a running `sluice dns` and the model
 *     npx tsx scripts/dns-diff.ts --seed N --against HOST:PORT      our core and another server
 *
 * `--write` and what follows it have to have the same seed. Exits with 1 when there is a difference that
 * test/dns/diff/known.ts does not explain.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { randomCluster } from '../test/dns/diff/cluster.js';
import { corefileOf, manifestsOf } from '../test/dns/diff/manifests.js';
import { modelOf } from '../test/dns/diff/model.js';
import type { Model } from '../test/dns/diff/model.js';
import { coreParty, serverParty } from '../test/dns/diff/parties.js';
import { runQuestions, shownFinding } from '../test/dns/diff/run.js';
import { knotConfOf, zoneFileOf } from '../test/dns/diff/zone-file.js';
import { createRandom, seedOfRun } from '../test/fuzz/frames.js';

const SHOWN_MAX = 10;
const DEFAULT_PORT = '5300';
const DEFAULT_QUERIES = '10000';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(seedOfRun()) },
    queries: { type: 'string', default: DEFAULT_QUERIES },
    against: { type: 'string' },
    ours: { type: 'string' },
    write: { type: 'string' },
    port: { type: 'string', default: DEFAULT_PORT },
  },
});

/** `127.0.0.1:5300`, `[::1]:5300` */
function partyAt(text: string) {
  const [match, host, port] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(text) ?? [];
  if (match === undefined || host === undefined) {
    throw new Error(`${JSON.stringify(text)}: expected an address and a port, 127.0.0.1:5300`);
  }
  return serverParty({ host, port: Number(port) });
}

function write(model: Model, dir: string, port: number): void {
  mkdirSync(join(dir, 'objects'), { recursive: true });
  writeFileSync(join(dir, 'objects', 'cluster.yaml'), manifestsOf(model.cluster));
  writeFileSync(join(dir, 'Corefile'), corefileOf(model.cluster, port));
  for (const zone of model.zones) writeFileSync(join(dir, `${zone}.zone`), zoneFileOf(model, zone));
  writeFileSync(join(dir, 'knot.conf'), knotConfOf(model, resolve(dir), port));
}

const seed = Number(values.seed);
const random = createRandom(seed);
const cluster = randomCluster(random);
const model = modelOf(cluster);
console.log(
  `seed ${seed}: ${cluster.domain}, ${cluster.namespaces.length} namespaces, ` +
    `${cluster.services.length} Services, ${model.names.size} names`,
);
if (values.write === undefined) {
  const { findings, known } = await runQuestions({
    model,
    random,
    ours: values.ours === undefined ? coreParty(cluster) : partyAt(values.ours),
    theirs: values.against === undefined ? undefined : partyAt(values.against),
    questions: Number(values.queries),
  });
  for (const [reason, count] of known) console.log(`${String(count).padStart(6)} known: ${reason}`);
  for (const finding of findings.slice(0, SHOWN_MAX)) console.log(shownFinding(finding));
  console.log(`${values.queries} questions, ${findings.length} differences`);
  process.exitCode = findings.length === 0 ? 0 : 1;
} else {
  write(model, values.write, Number(values.port));
}
