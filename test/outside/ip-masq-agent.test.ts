/** The file of ip-masq-agent, as that program reads it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { formatCidr } from '../../src/addr.js';
import { parseMasqAgent, watchMasqAgentFile } from '../../src/outside/ip-masq-agent.js';

const read = (text: string) => parseMasqAgent(text, 'config');
const listOf = (text: string): string => read(text).exempt.map(formatCidr).join(' ');
const PRIVATE = '10.0.0.0/8 172.16.0.0/12 192.168.0.0/16';
const LINK_LOCAL = '169.254.0.0/16';
const LINK_LOCAL_IPV6 = 'fe80::/10';

test('ip-masq-agent: a file without a list exempts private and link-local ranges', (t) => {
  for (const text of ['', '{}', 'resyncInterval: 5s']) {
    t.is(listOf(text), `${PRIVATE} ${LINK_LOCAL} ${LINK_LOCAL_IPV6}`);
  }
});

test('ip-masq-agent: an empty list is one: all but link-local ranges are masqueraded', (t) => {
  for (const text of [
    'nonMasqueradeCIDRs: []',
    'nonMasqueradeCIDRs:',
    '{"nonMasqueradeCIDRs":null}',
  ]) {
    t.is(listOf(text), `${LINK_LOCAL} ${LINK_LOCAL_IPV6}`);
  }
});

test('ip-masq-agent: cidrLimit is how long the list may be', (t) => {
  t.regex(listOf('{ nonMasqueradeCIDRs: [10.1.0.0/16], cidrLimit: 1 }'), /^10\.1\.0\.0\/16 169/);
  t.regex(listOf('cidrLimit: 3'), /^10\.0\.0\.0\/8 172/);
});

test('ip-masq-agent: what is listed takes the place of the private ranges, as YAML and as JSON', (t) => {
  const expected = `10.1.0.0/16 2001:db8::/32 ${LINK_LOCAL} ${LINK_LOCAL_IPV6}`;
  t.is(listOf('nonMasqueradeCIDRs:\n- 10.1.0.0/16\n- 2001:db8::/32\n'), expected);
  t.is(listOf('{"nonMasqueradeCIDRs": ["10.1.0.0/16", "2001:db8::/32"]}'), expected);
});

test('ip-masq-agent: link-local ranges are masqueraded when the file says so', (t) => {
  t.is(listOf('masqLinkLocal: true'), `${PRIVATE} ${LINK_LOCAL_IPV6}`);
  t.true(read('masqLinkLocal: true').masqLinkLocal);
  t.is(listOf('masqLinkLocalIPv6: true'), `${PRIVATE} ${LINK_LOCAL}`);
});

test('ip-masq-agent: the interval is a duration of Go, a minute by default', (t) => {
  t.is(read('{}').resyncMs, 60_000);
  t.is(read('resyncInterval: 1m30s').resyncMs, 90_000);
  t.is(read('resyncInterval: 1ms').resyncMs, 1_000, 'not all the time');
});

for (const [text, complaint] of [
  [
    'nonMasqueradeCIDRs: [10.0.0.1/8]',
    /^config:1:\d+: .*nonMasqueradeCIDRs\[0\]: "10\.0\.0\.1\/8"/,
  ],
  ['nonMasqueradeCIDRs: 10.0.0.0/8', /nonMasqueradeCIDRs: "10\.0\.0\.0\/8": expected a list/],
  ['masqLinkLocal: maybe', /masqLinkLocal: "maybe": expected true or false/],
  ['resyncInterval: soon', /resyncInterval: "soon"/],
  [
    '{ nonMasqueradeCIDRs: [10.1.0.0/16, 10.2.0.0/16], cidrLimit: 1 }',
    /cidrLimit: 1: expected at least the 2 of nonMasqueradeCIDRs/,
  ],
  ['cidrLimit: 2', /cidrLimit: 2: expected at least the 3 of nonMasqueradeCIDRs/],
  ['cidrLimit: many', /cidrLimit: "many": expected a whole number/],
  ['nonMasquradeCIDRs: []', /nonMasquradeCIDRs.*unknown field/],
  [
    `nonMasqueradeCIDRs: [${Array.from({ length: 65 }, (_, i) => `10.${String(i)}.0.0/16`).join(', ')}]`,
    /nonMasqueradeCIDRs: .*: expected at most 62, found 65/,
  ],
] as const) {
  test(`ip-masq-agent: one sentence names file, key and value: ${text.slice(0, 40)}`, (t) => {
    const { message } = t.throws(() => read(text));
    t.regex(message, complaint);
    t.false(message.includes('\n'));
  });
}

test('ip-masq-agent: when the file is read again does not depend on who asks in between', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-masq-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'config');
  writeFileSync(path, 'nonMasqueradeCIDRs: [10.1/16]\nresyncInterval: 5s\n');
  const file = watchMasqAgentFile(path);
  file.read(1_000);
  t.is(file.dueMs(), 61_000, 'a file that cannot be used says no interval');
  file.read(31_000);
  t.is(file.dueMs(), 61_000);
  writeFileSync(path, 'nonMasqueradeCIDRs: [10.1.0.0/16]\nresyncInterval: 5s\n');
  t.deepEqual(file.read(61_000).exempt.slice(0, 1).map(formatCidr), ['10.1.0.0/16']);
  t.is(file.dueMs(), 66_000);
});

test('ip-masq-agent: a bad file leaves the list as it was, one that is gone does not', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-masq-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'config');
  const file = watchMasqAgentFile(path);
  const shown = (nowMs: number): string => file.read(nowMs).exempt.map(formatCidr).join(' ');
  t.is(shown(0), `${LINK_LOCAL} ${LINK_LOCAL_IPV6}`);
  writeFileSync(path, 'nonMasqueradeCIDRs: [10.1.0.0/16]\nresyncInterval: 10s\n');
  t.is(shown(1), `${LINK_LOCAL} ${LINK_LOCAL_IPV6}`, 'not read again yet');
  t.regex(shown(60_000), /^10\.1\.0\.0\/16 /);
  writeFileSync(path, 'nonMasqueradeCIDRs: [10.1/16]\n');
  t.regex(shown(70_000), /^10\.1\.0\.0\/16 /);
  t.regex(file.problem() ?? '', /config:1:.*; the list before it is kept/);
  rmSync(path);
  t.is(shown(80_000), `${LINK_LOCAL} ${LINK_LOCAL_IPV6}`);
  t.is(file.problem(), undefined);
});
