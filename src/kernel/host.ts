/** What a node must have before anything else: rights, a BPF file system, forwarding. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolder } from '../disk.js';
import { DataplaneError } from '../errors.js';
import { isBpffs, mountBpffs } from '../native.js';

const BPFFS = '/sys/fs/bpf';

/** @throws DataplaneError ERR_KERNEL naming what is missing and what to do */
export function requireRoot(): void {
  if (process.geteuid?.() === 0) return;
  const message =
    'sluice run needs root (CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF, CAP_SYS_ADMIN): start it as root or in a privileged container';
  throw new DataplaneError('ERR_KERNEL', message);
}

/**
 * A directory for pins, in a BPF file system that is mounted if need be.
 *
 * @throws DataplaneError ERR_KERNEL when the path is in no BPF file system and not below /sys/fs/bpf
 */
export function preparePinDir(pinDir: string): void {
  if (pinDir.startsWith(`${BPFFS}/`) && existsSync(BPFFS) && !isBpffs(BPFFS)) mountBpffs(BPFFS);
  let existing = pinDir;
  while (!existsSync(existing)) existing = dirname(existing);
  if (!isBpffs(existing)) {
    const message = `pinDir ${pinDir} is in no BPF file system: choose a path below ${BPFFS} or mount one there`;
    throw new DataplaneError('ERR_KERNEL', message);
  }
  if (pinDir.slice(existing.length).includes('.')) {
    const message = `pinDir ${pinDir} has a dot in a name, which BPF file systems reserve: choose another`;
    throw new DataplaneError('ERR_KERNEL', message);
  }
  makeFolder(pinDir, 0o700);
}
