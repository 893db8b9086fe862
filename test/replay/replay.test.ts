/** What a configuration says of DNS and of the world outside holds for captures, too: read by tcpdump. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/config.js';
import { createLog } from '../../src/log.js';
import { packageFile } from '../../src/package-root.js';
import { replay } from '../../src/replay.js';
import { needs } from '../support/skip.js';

const HEAD = `apiVersion: sluice/v1alpha1
kind: SluiceConfiguration
nodeName: alpha
source: { files: cluster }
serviceCIDRs: [10.96.0.0/16, "fd00:10:96::/112"]
`;

/** The frames that leave, as tcpdump prints them, and what is said of each. */
async function through(capture: string, more: string) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-replay-'));
  try {
    mkdirSync(join(folder, 'cluster'));
    copyFileSync(packageFile('playground/cluster.yaml'), join(folder, 'cluster/all.yaml'));
    const file = join(folder, 'sluice.yaml');
    writeFileSync(file, HEAD + more);
    const output = join(folder, 'out.pcap');
    const input = packageFile(`playground/captures/${capture}.pcap`);
    const said: string[] = [];
    await replay(loadConfig(file, 'alpha'), { input, output }, createLog('error'), (frame) => {
      said.push(`${frame.number} ${frame.verdict} ${frame.reason ?? frame.way ?? ''}`);
    });
    const options = { encoding: 'utf8' as const, stdio: 'pipe' as const };
    return { said, read: execFileSync('tcpdump', ['-nvvr', output], options) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const captureTest = needs({ tools: ['tcpdump'] });

captureTest(
  'replay: with dns the node answers by itself, without it a Service is one',
  async (t) => {
    const { said, read } = await through('dns', 'dns: {}\n');
    t.is(said[0], '1 TX POD default/client');
    t.is(said[11], '12 TX HOST');
    t.regex(
      read,
      /10\.96\.0\.10\.53 > 10\.244\.1\.10\.33000: \[udp sum ok\] 4096\*?.* A 10\.96\.0\.80/,
    );
    t.regex(read, /33010: \[udp sum ok\] 4106 NXDomain/);
    t.notRegex(read, /bad|incorrect/);
    const plain = await through('dns', '');
    // Nobody is behind it.
    t.notRegex(plain.read, /A 10\.96\.0\.80/);
  },
);

captureTest(
  'replay: with an uplink pods go out as the node, without one the kernel decides',
  async (t) => {
    const { said, read } = await through('masquerade', 'uplinks: [{ name: eth0 }]\n');
    t.deepEqual(said.slice(0, 2), ['1 TX UPLINK', '2 TX UPLINK']);
    t.regex(read, /192\.0\.2\.11\.\d+ > 203\.0\.113\.5\.443: .*cksum 0x\w+ \(correct\)/);
    t.regex(read, /2001:db8::11\.\d+ > 2001:db8:ffff::5\.443: .*cksum 0x\w+ \(correct\)/);
    t.notRegex(read, /10\.244\.1\.10\.\d+ > 203\.0\.113\.5/);
    const off = await through('masquerade', '');
    t.is(off.said[0], '1 TX HOST');
  },
);
