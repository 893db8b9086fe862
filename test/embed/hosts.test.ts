/**
 * The programs of examples/embed: each reproduces every vector, and says so when it does not.
 *
 * How many vectors there are is counted here, in the files: no host is believed that.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { HOSTS, missingOf } from '../../scripts/embed/hosts.js';
import type { Host } from '../../scripts/embed/hosts.js';
import { prepareHost, runHost } from '../../scripts/embed/run.js';
import { needs } from '../support/skip.js';
import { tamperedVectors, vectorsOfNextVersion } from './tampered.js';

const VECTORS = fileURLToPath(new URL('../vectors/', import.meta.url));
const EMBED = fileURLToPath(new URL('../../scripts/embed/embed.ts', import.meta.url));
const NOWHERE = '/nonexistent';
/** Of cargo, with everything to compile and another test beside it. */
const PATIENCE_MS = 540_000;

/** Modules are compiled in where wasm2c made C of them. */
const TAKES_NO_MODULE = new Set(['c']);

/** RFC 1071, 3: ddf2, inverted and in network order, as the core returns it. */
const SUM = 0x0d22;

function casesInFiles(): number {
  const files = readdirSync(VECTORS).filter((name) => name.endsWith('.json'));
  return files.reduce((sum, name) => {
    const { cases } = JSON.parse(readFileSync(join(VECTORS, name), 'utf8')) as {
      readonly cases: readonly unknown[];
    };
    return sum + cases.length;
  }, 0);
}

/** Exit code 2, nothing on stdout, and one sentence. */
async function refuses(t: ExecutionContext, host: Host, args: readonly string[]): Promise<void> {
  const { code, report, complaints } = await runHost(host, args);
  t.is(code, 2, complaints);
  t.is(report, undefined);
  t.is(complaints.split('\n').length, 1, complaints);
  t.true(complaints.startsWith(host.name), complaints);
}

for (const host of HOSTS) {
  const hostTest = needs({ also: missingOf(host) });

  hostTest(`embed: ${host.name} reproduces every vector`, async (t) => {
    t.timeout(PATIENCE_MS);
    await prepareHost(host);
    const { code, report, complaints } = await runHost(host);
    t.is(complaints, '');
    t.is(code, 0);
    t.is(report?.passed, casesInFiles());
    t.is(report?.total, casesInFiles());
    t.true(report?.runtime.startsWith(host.name));
    t.true((report?.nsPerPacket ?? 0) > 0 && (report?.nsPerAnswer ?? 0) > 0);
  });

  hostTest(`embed: ${host.name} names every vector that differs`, async (t) => {
    const tampered = tamperedVectors(SUM);
    t.teardown(tampered.remove);
    const { code, report, complaints } = await runHost(host, ['--vectors', tampered.folder]);
    const lines = complaints.split('\n');
    t.deepEqual(
      lines.filter((line) => !line.startsWith(tampered.trap)),
      tampered.lines,
    );
    t.is(lines.length, tampered.lines.length + 1);
    t.is(code, 1);
    t.like(report, {
      passed: tampered.passed,
      total: tampered.total,
      nsPerPacket: null,
      nsPerAnswer: null,
    });
  });

  hostTest(`embed: ${host.name} refuses what it cannot use in one sentence`, async (t) => {
    const next = vectorsOfNextVersion(VECTORS);
    t.teardown(next.remove);
    await refuses(t, host, ['--vectors', NOWHERE]);
    await refuses(t, host, ['--vectors', next.folder]);
    await refuses(t, host, ['--module', NOWHERE]);
    if (!TAKES_NO_MODULE.has(host.name)) {
      await refuses(t, host, ['--module', join(VECTORS, 'checksum.json')]);
    }
  });
}

interface Exit {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function embed(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Exit> {
  const command = ['--import=tsx', EMBED, ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, command, { env }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

test.serial('embed: a table for people, and one line of JSON a host for programs', async (t) => {
  const table = await embed(['node']);
  t.is(table.code, 0, table.stderr);
  t.regex(table.stdout, /^RUNTIME +VERSION +VECTORS +NS\/PACKET +NS\/DNS ANSWER +START-UP MS$/m);
  t.regex(table.stdout, new RegExp(`^node +${process.versions.node} +(\\d+)/\\1 `, 'm'));
  const json = await embed(['node', '--json']);
  t.is((JSON.parse(json.stdout) as { readonly runtime: string }).runtime, 'node');
});

test.serial('embed: a tool that is missing is named, and its host skipped', async (t) => {
  const { code, stdout, stderr } = await embed(['go', 'java'], { PATH: NOWHERE });
  t.regex(stderr, /^go: skipped, needs go \(Go\)$/m);
  t.regex(stderr, /^java: skipped, needs javac \(a JDK, 17 or newer\), mvn \(Maven\)$/m);
  t.regex(stderr, /^embed: no host could be run$/m);
  t.notRegex(stdout, /go|java/);
  t.is(code, 1);
});

test.serial('embed: an unknown host is refused', async (t) => {
  const { code, stderr } = await embed(['cobol']);
  t.is(code, 2);
  t.regex(stderr, /^embed: no host "cobol": there are bun, c, chromium, /m);
});

test('embed: every folder with a run.sh is a host of the table', (t) => {
  const root = fileURLToPath(new URL('../../examples/embed/', import.meta.url));
  const folders = readdirSync(root).filter((name) => existsSync(join(root, name, 'run.sh')));
  t.deepEqual(folders.sort(), HOSTS.map(({ name }) => name).sort());
});
