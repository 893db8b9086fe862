/** What is said while this process may write nothing: no file may grow, as on a full disk. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { formatAddress } from '../../../src/addr.js';
import { NETWORK, owner, rig } from './support.js';

const [, , dataDir = ''] = process.argv;
const complaints: string[] = [];
const { ipam, add } = rig([[{ subnet: '10.1.2.0/29' }]], {
  dataDir,
  onBroken: (text) => complaints.push(text),
});
const limitFiles = (size: string): void => {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${size}:`]);
};
const status = async () => (await ipam.status()) ?? 'none';

await add(owner('a'));
const before = await status();
limitFiles('0');
const refusal = await add(owner('b'));
const [full, still] = [await status(), await status()];
const files = readdirSync(join(dataDir, NETWORK)).sort();
const held = (await ipam.held(owner('a'))).map(formatAddress);
limitFiles('unlimited');
const again = await status();
const given = await add(owner('b'));
await ipam.close();
const seen = { before, refusal, full, still, files, held, again, given, complaints };
process.stdout.write(JSON.stringify(seen));
