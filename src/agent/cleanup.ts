/** `sluice cleanup`: the opposite of everything the agent does to a node. */
import { existsSync, readdirSync, rmSync, rmdirSync } from 'node:fs';
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
import { ADMIN_SOCKET } from '../ops/admin.js';
import { STATUS_FILE } from './status-file.js';

/**
 * What an agent that was killed could not take away itself. A folder with anything else in it stays:
 * a DEL that waits for the next agent is not lost.
 */
function removeState({ stateDir, cni }: SluiceConfig): void {
  const files = [RESERVED_PORTS_FILE, STATUS_FILE, ADMIN_SOCKET].map((name) => join(stateDir, name));
  if (cni !== undefined) files.push(cni.socket);
  for (const file of files) rmSync(file, { force: true });
  if (existsSync(stateDir) && readdirSync(stateDir).length === 0) rmdirSync(stateDir);
}

/**
 * Detach every program, unpin every table, remove trunk, pod links, routes and sockets. Established
 * flows end. What is not there is no error.
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
  const reserved = readIfThere(join(config.stateDir, RESERVED_PORTS_FILE));
  try {
    if (releasePorts(net.sysctl, reserved)) removed.push('reserved source ports');
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
  removeState(config);
  return removed;
}
