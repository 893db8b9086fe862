/**
 * What the agent knows and the tables do not, left where `sluice status` finds it: replaced as a
 * whole, so that a reader sees one state or the next.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Explanation } from '../compile/explain.js';
import type { SluiceConfig } from '../config.js';
import type { Lane } from '../core/lane-client.js';
import type { Outcome } from './reconcile.js';

export const STATUS_FILE = 'status.json';

/** Contents of the file. */
export interface AgentStatus {
  readonly pid: number;
  readonly nodeName: string;
  readonly since: string;
  readonly offload: boolean;
  readonly ports: readonly string[];
  /** An earlier agent's flow table was taken over. */
  readonly adopted: boolean;
  readonly pods: number;
  readonly control: Explanation;
  readonly problems: readonly string[];
}

export interface StatusFile {
  write(control: Explanation, outcome: Outcome): void;
}

export function createStatusFile(stateDir: string, config: SluiceConfig, lane: Lane): StatusFile {
  mkdirSync(stateDir, { recursive: true, mode: 0o755 });
  const file = join(stateDir, STATUS_FILE);
  const since = new Date().toISOString();
  return {
    write: (control, { pods, problems }) => {
      const status: AgentStatus = {
        pid: process.pid,
        nodeName: config.nodeName,
        since,
        offload: config.offload,
        ports: lane.ports,
        adopted: lane.adopted,
        pods,
        control,
        problems,
      };
      writeFileSync(`${file}.new`, `${JSON.stringify(status, undefined, 2)}\n`);
      renameSync(`${file}.new`, file);
    },
  };
}
