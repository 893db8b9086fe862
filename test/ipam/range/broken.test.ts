/** Folders that cannot be opened, and disks that are full. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { NETWORK, newDataDir, owner, rig } from './support.js';

const RANGES = [[{ subnet: '10.1.2.0/29' }]];
const elsewhere = (containerId: string) => ({ ...owner(containerId), network: 'fnet' });

test('range: a network that cannot be opened is a problem of its own', async (t) => {
  const dataDir = newDataDir();
  const path = join(dataDir, 'fnet');
  writeFileSync(path, 'a file');
  const complaints: string[] = [];
  const onBroken = (text: string) => complaints.push(text);
  const { ipam, add, del } = rig(RANGES, { dataDir, onBroken });
  t.deepEqual(await add(owner('a')), ['10.1.2.2']);
  const why = `addresses of network fnet cannot be kept: EEXIST: file already exists, mkdir '${path}'`;
  t.is(await add(elsewhere('b')), `unavailable: ${why}`);
  t.is(await ipam.status(NETWORK), undefined);
  t.is(await ipam.status(), undefined, 'another network can be had');
  t.is(await ipam.status('fnet'), why);
  t.deepEqual(
    (await ipam.leases()).map((lease) => lease.owner),
    [owner('a')],
  );
  t.deepEqual(ipam.broken(), [{ network: 'fnet', path, why }]);
  t.deepEqual(ipam.unknownFiles(), []);
  t.deepEqual(await del(elsewhere('b')), [], 'a file holds no address');
  t.deepEqual(await add(owner('c')), ['10.1.2.3']);
  t.deepEqual(complaints, [why]);
  rmSync(path);
  t.is(await ipam.status('fnet'), undefined);
  t.deepEqual(ipam.broken(), []);
  t.deepEqual(await add(elsewhere('b')), ['10.1.2.4']);
  t.deepEqual(complaints, [why]);
  await ipam.close();
});

test('range: giving back where there is no folder makes none', async (t) => {
  const dataDir = newDataDir();
  const { ipam, add, del } = rig(RANGES, { dataDir });
  t.deepEqual(await del(elsewhere('a')), []);
  t.false(existsSync(join(dataDir, 'fnet')));
  await add(elsewhere('a'));
  rmSync(join(dataDir, 'fnet'), { recursive: true });
  t.deepEqual(await del(elsewhere('a')), []);
  t.deepEqual(await ipam.leases(), []);
  await ipam.close();
  const file = join(dataDir, 'file');
  writeFileSync(file, '');
  const none = rig(RANGES, { dataDir: file });
  t.deepEqual(await none.del(owner('a')), []);
  t.regex(String(await none.add(owner('a'))), /^unavailable: .*ENOTDIR/);
  await none.ipam.close();
});

test('range: a turn that cannot be noted leaves no part of itself', async (t) => {
  const dataDir = newDataDir();
  const folder = join(dataDir, NETWORK);
  mkdirSync(join(folder, 'last_reserved_ip.0'));
  const { ipam, add } = rig(RANGES, { dataDir });
  t.deepEqual(await add(owner('a')), ['10.1.2.2']);
  t.deepEqual(readdirSync(folder).sort(), ['10.1.2.2', 'last_reserved_ip.0', 'lock']);
  await ipam.close();
});

test('range: a disk that takes no file is in STATUS until it takes one', async (t) => {
  const child = join(import.meta.dirname, 'full-child.ts');
  const args = ['--import=tsx', child, newDataDir()];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const why = /^addresses of network net cannot be kept: EFBIG: /;
  const seen = JSON.parse(stdout) as Record<string, unknown>;
  t.is(seen['before'], 'none');
  t.regex(
    String(seen['refusal']),
    /^unavailable: addresses of network net cannot be kept: EFBIG: /,
  );
  t.regex(String(seen['full']), why);
  t.regex(String(seen['still']), why);
  t.deepEqual(seen['files'], ['10.1.2.2', 'last_reserved_ip.0', 'lock']);
  t.deepEqual(seen['held'], ['10.1.2.2'], 'what is there can be looked at');
  t.is(seen['again'], 'none', 'also when nobody asks for an address meanwhile');
  t.deepEqual(seen['complaints'], [seen['full']]);
  t.deepEqual(seen['given'], ['10.1.2.4']);
});
