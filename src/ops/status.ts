/** What `sluice status` tells: the tables first, which need no agent, then the agent's own words. */
import { join } from 'node:path';
import { STATUS_FILE } from '../agent/status-file.js';
import type { AgentStatus } from '../agent/status-file.js';
import type { SluiceConfig } from '../config/config.js';
import { readCounters, readLaneState } from './tables.js';
import type { Counters, LaneState } from './tables.js';
import { readIfThere } from '../disk.js';

export interface Status {
  readonly nodeName: string;
  readonly lane: LaneState;
  readonly counters: Counters;
  /** As the agent left it last; undefined before its first pass. */
  readonly agent: AgentStatus | undefined;
}

/** @throws DataplaneError ERR_STATE when no agent has run on this node */
export function readStatus(config: SluiceConfig): Status {
  return {
    nodeName: config.nodeName,
    lane: readLaneState(config.pinDir),
    counters: readCounters(config.pinDir),
    agent: readAgent(config.stateDir),
  };
}

/** What the last agent wrote; undefined when none has. */
export function readAgent(stateDir: string): AgentStatus | undefined {
  const text = readIfThere(join(stateDir, STATUS_FILE));
  return text === undefined ? undefined : (JSON.parse(text) as AgentStatus);
}
