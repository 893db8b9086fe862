/**
 * The core against the model: clusters and questions by a seed, which is in the title. Again with
 * SEED=...; more of it with DIFF_CLUSTERS=... and by scripts/dns-diff.ts.
 */
import test from 'ava';
import { createRandom, seedOfRun } from '../../fuzz/frames.js';
import { randomCluster } from './cluster.js';
import { modelOf } from './model.js';
import { coreParty } from './parties.js';
import { runQuestions, shownFinding } from './run.js';

const SEED = seedOfRun();
const CLUSTERS = Number(process.env['DIFF_CLUSTERS'] ?? Infinity);
const TIME_MS = process.env['DIFF_CLUSTERS'] === undefined ? 8000 : Infinity;
const QUESTIONS = 400;

test(`diff: what the core says of a random cluster is what the specification says (seed ${SEED})`, async (t) => {
  const endMs = performance.now() + TIME_MS;
  let clusters = 0;
  for (; clusters < CLUSTERS && performance.now() < endMs; clusters += 1) {
    const random = createRandom(SEED + clusters);
    const cluster = randomCluster(random);
    const run = { model: modelOf(cluster), ours: coreParty(cluster), theirs: undefined, random };
    const [finding] = (await runQuestions({ ...run, questions: QUESTIONS })).findings;
    if (finding === undefined) continue;
    t.fail(`SEED=${SEED + clusters}: ${shownFinding(finding)}`);
    return;
  }
  t.log(`${clusters} clusters, ${clusters * QUESTIONS} questions`);
  t.true(clusters > 0);
});

test('diff: glue is left out for want of room only where even pointers would not have made it fit', async (t) => {
  // Hundreds of endpoints with long names: the first owners are pointers, the others whole names.
  const random = createRandom(146543927);
  const cluster = randomCluster(random);
  const run = { model: modelOf(cluster), ours: coreParty(cluster), theirs: undefined, random };
  const { findings } = await runQuestions({ ...run, questions: QUESTIONS });
  t.deepEqual(findings.map(shownFinding), []);
});
