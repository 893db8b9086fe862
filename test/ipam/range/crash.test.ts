import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import { filesOf, newDataDir, rig } from './support.js';

test('range: what a killed process acknowledged is held, and what it gave back is not', async (t) => {
  const dataDir = newDataDir();
  const child = path.join(import.meta.dirname, 'crash-child.ts');
  const writer = spawn(process.execPath, ['--import=tsx', child, dataDir]);
  const held = new Map<string, string>();
  const unsure = new Set<string>();
  const gone = new Set<string>();
  for await (const line of createInterface({ input: writer.stdout })) {
    const [verb, id = '', addresses = ''] = line.split(' ');
    if (verb === 'add') held.set(id, addresses);
    if (verb === 'del') unsure.add(id);
    if (verb === 'gone') gone.add(id);
    if (gone.size > 120) writer.kill('SIGKILL');
  }
  t.true(held.size > 120);
  const { ipam } = rig([[{ subnet: '10.4.0.0/22' }]], { dataDir });
  const leases = await ipam.leases();
  const files = filesOf(dataDir);
  for (const [id, addresses] of held) {
    const names = addresses.split(',');
    const there = names.filter((name) => files[name] === `${id}\r\neth0`).length;
    if (gone.has(id)) t.is(there, 0, id);
    else if (!unsure.has(id)) t.is(there, 2, id);
  }
  const torn = leases.filter(({ owner }) => !/^c\d+-\d$/.test(owner.containerId));
  t.deepEqual(torn, []);
  t.deepEqual(
    Object.keys(files).filter((name) => name.startsWith('.')),
    [],
  );
  await ipam.close();
});
