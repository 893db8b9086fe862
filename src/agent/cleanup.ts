/** `sluice cleanup`: the opposite of everything the agent does to a node. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readIfThere } from '../disk.js';
import type { SluiceConfig } from '../config/config.js';
import { requireRoot } from '../kernel/host.js';
import { ownNetns } from '../kernel/netns.js';
import { listPodLinks, removePodLink } from '../kernel/pod-link.js';
import { listRetired } from '../kernel/pod-retire.js';
import { cleanup } from '../kernel/programs.js';
import { RESERVED_PORTS_FILE, releasePorts } from '../kernel/taken-ports.js';
import { removeTrunk } from '../kernel/trunk.js';
import { setNodeRoutes } from '../kernel/uplink.js';
import { VXLAN_NAME, removeVxlan } from '../kernel/vxlan.js';
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
  const reserved = join(config.stateDir, RESERVED_PORTS_FILE);
  try {
    if (releasePorts(net.sysctl, readIfThere(reserved))) removed.push('reserved source ports');
    setNodeRoutes(net, []);
    for (const name of Object.values(VXLAN_NAME)) {
      if (removeVxlan(net, name)) removed.push(`tunnel ${name}`);
    }
    for (const { name } of [...listPodLinks(net), ...listRetired(net)]) {
      if (removePodLink(net, name)) removed.push(`pod link ${name}`);
    }
    if (removeTrunk(net, config.trunk.name)) removed.push(`trunk ${config.trunk.name}0`);
  } finally {
    net.close();
  }
  rmSync(reserved, { force: true });
  rmSync(join(config.stateDir, STATUS_FILE), { force: true });
  return removed;
}
