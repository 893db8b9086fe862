/** The reference plugin, executed: an independent reader and writer of the same folders. */
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { AddressRange, Owner } from '../../../src/ipam/ipam.js';

const FOLDERS = [
  ...(process.env['PATH'] ?? '').split(delimiter),
  '/opt/cni/bin',
  '/usr/lib/cni',
  '/usr/libexec/cni',
];

const binary = FOLDERS.map((folder) => join(folder, 'host-local')).find((path) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
});

/** Why it cannot be asked here. */
export const noHostLocal = binary === undefined ? 'needs host-local, not installed' : undefined;

export interface HostLocal {
  /** @returns addresses without prefix length, or the message of the refusal */
  add(owner: Owner, requested?: readonly string[]): Promise<readonly string[] | string>;
  del(owner: Owner): Promise<undefined | string>;
}

export function hostLocal(
  dataDir: string,
  ranges: readonly (readonly AddressRange[])[],
): HostLocal {
  async function run(command: string, owner: Owner, requested: readonly string[]) {
    const env = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: owner.containerId,
      CNI_IFNAME: owner.ifname,
      CNI_NETNS: '/none',
      CNI_PATH: '/none',
    };
    const config = {
      cniVersion: '1.0.0',
      name: owner.network,
      type: 'sluice',
      ipam: { type: 'host-local', dataDir, ranges },
      ...(requested.length > 0 ? { args: { cni: { ips: requested } } } : {}),
    };
    const child = spawn(binary ?? '', { env });
    child.stdin.end(JSON.stringify(config));
    const reply = await text(child.stdout);
    return reply === '' ? {} : (JSON.parse(reply) as { msg?: string; ips?: { address: string }[] });
  }

  return {
    async add(owner, requested = []) {
      const { msg, ips = [] } = await run('ADD', owner, requested);
      return msg ?? ips.map(({ address }) => address.split('/')[0] ?? '');
    },
    async del(owner) {
      return (await run('DEL', owner, [])).msg;
    },
  };
}
