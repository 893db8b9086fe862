/** libcni's cache of results: one file an attachment, `cniCacheV1`. */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from './config.js';

export interface Attachment {
  readonly containerId: string;
  readonly ifname: string;
  readonly netns?: string;
  /** CNI_ARGS, in order. */
  readonly args?: readonly (readonly [string, string])[];
  /** What the runtime has to offer to plugins that declare the capability. */
  readonly capabilities?: Json;
}

export interface CachedAttachment extends Attachment {
  readonly network: string;
}

interface CacheFile {
  readonly kind: string;
  readonly containerId: string;
  /** The list's bytes, base64. */
  readonly config: string;
  readonly ifName: string;
  readonly networkName: string;
  readonly netns?: string;
  readonly cniArgs?: readonly (readonly [string, string])[];
  readonly capabilityArgs?: Json;
  readonly result?: Json;
}

const KIND = 'cniCacheV1';

export interface Cache {
  file(network: string, attachment: Attachment): string;
  add(network: string, config: string, attachment: Attachment, result: Json): void;
  /** @returns undefined when there is none. @throws SyntaxError when it cannot be read */
  result(network: string, attachment: Attachment): Json | undefined;
  remove(network: string, attachment: Attachment): void;
  attachments(): CachedAttachment[];
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Absent or not, libcni goes on without.
    return undefined;
  }
}

function toAttachment(text: string | undefined): CachedAttachment[] {
  try {
    const file = JSON.parse(text ?? 'null') as CacheFile | null;
    if (file?.kind !== KIND) return [];
    const { containerId, ifName, networkName, netns, cniArgs, capabilityArgs } = file;
    return [
      {
        ...{ containerId, ifname: ifName, network: networkName },
        ...(netns !== undefined && { netns }),
        ...(cniArgs && { args: cniArgs }),
        ...(capabilityArgs && { capabilities: capabilityArgs }),
      },
    ];
  } catch {
    return [];
  }
}

/** @param folder  what /var/lib/cni is to libcni */
export function openCache(folder: string): Cache {
  const results = join(folder, 'results');
  const fileOf: Cache['file'] = (network, { containerId, ifname }) =>
    join(results, `${network}-${containerId}-${ifname}`);
  return {
    file: fileOf,
    add(network, config, attachment, result) {
      const { containerId, ifname, netns, args, capabilities } = attachment;
      const content: CacheFile = {
        ...{ kind: KIND, containerId, config: Buffer.from(config).toString('base64') },
        ...{ ifName: ifname, networkName: network },
        ...(netns !== undefined && { netns }),
        ...(args && { cniArgs: args }),
        ...(capabilities && { capabilityArgs: capabilities }),
        result,
      };
      mkdirSync(results, { recursive: true, mode: 0o700 });
      writeFileSync(fileOf(network, attachment), JSON.stringify(content), { mode: 0o600 });
    },
    result(network, attachment) {
      const text = readText(fileOf(network, attachment));
      return text === undefined ? undefined : (JSON.parse(text) as CacheFile).result;
    },
    remove: (network, attachment) => rmSync(fileOf(network, attachment), { force: true }),
    attachments() {
      const names = existsSync(results) ? readdirSync(results).sort() : [];
      return names.flatMap((name) => toAttachment(readText(join(results, name))));
    },
  };
}
