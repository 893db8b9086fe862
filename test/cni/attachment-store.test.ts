import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { openAttachmentStore } from '../../src/cni/attachment-store.js';
import type { StoredAttachment } from '../../src/cni/attachment-store.js';
import { recordingLog, temporary } from './plugin.js';

const RECORD: StoredAttachment = {
  ...{ network: 'n', containerId: 'c1', ifname: 'eth0', netns: '/proc/1/ns/net' },
  ...{ isPending: false, ips: ['10.1.0.2'], mtu: 1450, hostPorts: [], sinceMs: 0 },
};

test('attachment store: wherever an agent dies, nothing of another boot counts as attached', async (t) => {
  const dir = temporary(t);
  const file = join(dir, 'attachments.journal');
  const { log } = recordingLog();
  const open = (bootId: string) => openAttachmentStore(dir, bootId, log);
  const first = await open('a');
  for (const containerId of ['c1', 'c2']) await first.store.put({ ...RECORD, containerId });
  await first.store.close();
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n').length;
  const second = await open('b');
  t.deepEqual(second.voided.map(({ containerId }) => containerId).sort(), ['c1', 'c2']);
  await second.store.close();
  const whole = readFileSync(file, 'utf8').trimEnd().split('\n');
  t.true(whole.length > lines);
  for (let kept = lines; kept <= whole.length; kept++) {
    rmSync(file);
    writeFileSync(
      file,
      whole
        .slice(0, kept)
        .map((line) => `${line}\n`)
        .join(''),
    );
    const { store } = await open('b');
    t.deepEqual(
      store.all().map(({ isPending }) => isPending),
      [true, true],
      `${kept} lines`,
    );
    await store.close();
  }
});

test('attachment store: records without the identity of their namespace, as older agents wrote them, are read', async (t) => {
  const dir = temporary(t);
  const { log, lines } = recordingLog();
  const first = await openAttachmentStore(dir, 'a', log);
  const newer = { ...RECORD, containerId: 'c2', netnsId: '4:4026531840' };
  await first.store.put(RECORD);
  await first.store.put(newer);
  await first.store.close();
  const { store } = await openAttachmentStore(dir, 'a', log);
  t.deepEqual(store.all(), [RECORD, newer]);
  t.deepEqual(lines, []);
  await store.close();
});
