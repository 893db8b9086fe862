/** The core against knotd, which serves the names that the model has, by zone files (seed in the title). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { createRandom, seedOfRun } from '../../fuzz/frames.js';
import { freePort } from '../../support/ports.js';
import { needs } from '../../support/skip.js';
import { query } from '../core/zone.js';
import { randomCluster } from './cluster.js';
import type { Party } from './compare.js';
import { modelOf } from './model.js';
import type { Model } from './model.js';
import { coreParty, serverParty } from './parties.js';
import { runQuestions, shownFinding } from './run.js';
import { knotConfOf, zoneFileOf } from './zone-file.js';

const knotTest = needs({ tools: ['knotd'] });
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
const SEED = seedOfRun();
const QUESTIONS = 1500;
const START_TRIES = 100;
const START_PAUSE_MS = 100;

async function startKnot(t: ExecutionContext, model: Model): Promise<Party> {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-knot-'));
  const port = await freePort();
  for (const zone of model.zones) writeFileSync(join(dir, `${zone}.zone`), zoneFileOf(model, zone));
  writeFileSync(join(dir, 'knot.conf'), knotConfOf(model, dir, port));
  const knot = spawn('knotd', ['-c', join(dir, 'knot.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, PATH },
  });
  const log: Buffer[] = [];
  knot.stderr.on('data', (piece: Buffer) => log.push(piece));
  t.teardown(async () => {
    if (knot.exitCode === null && knot.kill('SIGTERM')) await once(knot, 'exit');
    rmSync(dir, { recursive: true });
  });
  const party = serverParty({ host: '127.0.0.1', port });
  for (let i = 0; i < START_TRIES && knot.exitCode === null; i += 1) {
    // The zone is loaded when its SOA record is an answer.
    const reply = await party
      .ask(query(model.cluster.domain, { type: 6 }), 'udp')
      .catch(() => null);
    if (reply instanceof Uint8Array && reply[7] === 1) return party;
    await delay(START_PAUSE_MS);
  }
  throw new Error(`knotd does not start: ${Buffer.concat(log).toString()}`);
}

knotTest(`diff: knotd says the same of the same names (seed ${SEED})`, async (t) => {
  const random = createRandom(SEED);
  const cluster = randomCluster(random);
  const model = modelOf(cluster);
  const { findings, known } = await runQuestions({
    model,
    random,
    ours: coreParty(cluster),
    theirs: await startKnot(t, model),
    questions: QUESTIONS,
  });
  t.deepEqual(findings.map(shownFinding), []);
  const explained = [...known.values()].reduce((sum, count) => sum + count, 0);
  t.log(`${QUESTIONS} questions, ${explained} differ for reasons that are known`);
  t.true(explained < QUESTIONS / 2, 'most of what was asked could be compared');
});
