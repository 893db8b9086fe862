/** What the demo needs of the machine it runs on. */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { packageRoot } from '../../src/package-root.js';

const BUILT = [
  'build/host/src/cli.js',
  'build/core/core.wasm',
  'build/native/sluice.node',
  'build/native/sluice-cni',
];
/** Commands, each with the Debian package that has it. */
const COMMANDS: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  mount: 'mount',
  getent: 'libc-bin',
  curl: 'curl',
  dig: 'bind9-dnsutils',
  iperf3: 'iperf3',
  sysctl: 'procps',
  ping: 'iputils-ping',
};
/** Bits of linux/capability.h. */
const CAPABILITIES: Readonly<Record<string, bigint>> = {
  CAP_NET_ADMIN: 12n,
  CAP_NET_RAW: 13n,
  CAP_SYS_ADMIN: 21n,
};

/** Whether it is on PATH, and ours to run. */
export function hasCommand(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      // Not here, or not ours to run: the next folder may have it.
      return false;
    }
  });
}

function missingCapabilities(): string[] {
  const [, hex = '0'] =
    /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  const held = BigInt(`0x${hex}`);
  return Object.keys(CAPABILITIES).filter(
    (name) => ((held >> (CAPABILITIES[name] ?? 0n)) & 1n) === 0n,
  );
}

/** The kernel lists its socket families; AF_XDP is there with CONFIG_XDP_SOCKETS. */
function hasXdpSockets(): boolean {
  return /^XDP\s/m.test(readFileSync('/proc/net/protocols', 'utf8'));
}

/**
 * @param offload  without it no AF_XDP socket is opened
 * @returns what is missing, a few words each; empty when the demo can run
 */
export function missingRequirements(offload: boolean): string[] {
  if (process.geteuid?.() !== 0) return ['root: run it with sudo'];
  const missing = missingCapabilities().map((name) => `${name}: run it in a privileged container`);
  if (offload && !hasXdpSockets()) missing.push('AF_XDP: a kernel with CONFIG_XDP_SOCKETS=y');
  if (!existsSync('/sys/fs/bpf')) missing.push('/sys/fs/bpf: a kernel with CONFIG_BPF_SYSCALL=y');
  if (!existsSync('/proc/net/if_inet6'))
    missing.push('IPv6: a kernel started without ipv6.disable=1');
  for (const file of BUILT) {
    if (!existsSync(join(packageRoot(), file))) missing.push(`${file}: run npm run build`);
  }
  for (const [name, debian] of Object.entries(COMMANDS)) {
    if (!hasCommand(name)) missing.push(`command ${name}: apt-get install ${debian}`);
  }
  return missing;
}
