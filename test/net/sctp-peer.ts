/** The peer that speaks SCTP without a kernel that does, made of sctp-peer.c. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const HEADER = '/usr/include/usrsctp.h';
const SOURCE = join(import.meta.dirname, 'sctp-peer.c');

/** Why there is no such peer here; undefined: there is, with gcc. */
export function withoutSctp(): string | undefined {
  return existsSync(HEADER) ? undefined : 'needs libusrsctp-dev, not installed';
}

/** @returns the program, in `folder` */
export function compilePeer(folder: string): string {
  const peer = join(folder, 'sctp-peer');
  const args = ['-Wall', '-Wextra', '-Werror', '-O1', '-o', peer, SOURCE, '-lusrsctp'];
  const { status, stderr } = spawnSync('gcc', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`gcc: ${stderr}`);
  return peer;
}
