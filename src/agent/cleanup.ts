/** `sluice cleanup`: the opposite of everything the agent does to a node. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { SluiceConfig } from '../config.js';
import { requireRoot } from '../kernel/host.js';
import { ownNetns } from '../kernel/netns.js';
import { listPodLinks, removePodLink } from '../kernel/pod-link.js';
import { cleanup } from '../kernel/programs.js';
import { removeTrunk } from '../kernel/trunk.js';
import { setNodeRoutes } from '../kernel/uplink.js';
import { STATUS_FILE } from './status-file.js';

/**
 * Detach every program, unpin every table, remove trunk, pod links and routes. Established flows
 * end. What is not there is no error.
 *
 * @returns what was removed, a line each
 */
export function cleanUpNode(config: SluiceConfig): string[] {
  requireRoot();
  const removed: string[] = [];
  if (existsSync(config.pinDir)) {
    cleanup(config.pinDir);
    removed.push(`programs and tables under ${config.pinDir}`);
  }
  const net = ownNetns();
  try {
    setNodeRoutes(net, []);
    for (const { name } of listPodLinks(net)) {
      if (removePodLink(net, name)) removed.push(`pod link ${name}`);
    }
    if (removeTrunk(net, config.trunk.name)) removed.push(`trunk ${config.trunk.name}0`);
  } finally {
    net.close();
  }
  rmSync(join(config.stateDir, STATUS_FILE), { force: true });
  return removed;
}
