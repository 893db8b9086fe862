/**
 * The lane's loop: one crossing into WebAssembly per turn, one system call per port that the core
 * names, and sleep when there is nothing to do.
 */
import {
  CONTROL_BASE,
  CONTROL_FLOWS4_LIVE_OFF,
  CONTROL_FLOWS6_LIVE_OFF,
  CONTROL_KICK_MASK_OFF,
  KICK_RX_SHIFT,
} from '../../assembly/abi.js';
import * as native from '../native.js';
import type { Port } from '../port/port.js';
import type { Core } from './core.js';

/** Frames per port and turn: enough to share the crossing, few enough to answer soon. */
const BUDGET = 64;
/** Longest sleep: a third of STALE_MS of instance.ts, by which the heartbeat must be younger. */
const IDLE_MS = 500;
/** Sleep while the kernel has not sent everything yet. */
const DRAIN_MS = 1;
/** `wakeFd` is the first of the descriptors that are polled. */
const WOKEN = 1;
/** Every slot of the flow tables is visited once in this time. */
const SWEEP_ROUND_MS = 10_000;
const SWEEP_EVERY_MS = 100;
/** Without flows there are deleted slots to reclaim at most, and no hurry. */
const EMPTY_SWEEP_SHARE = 1 / 16;

export interface LaneLoop {
  readonly core: Core;
  readonly ports: readonly Port[];
  /** Descriptor that is readable when the mailbox has something. */
  readonly wakeFd: number;
  /** Whether the mailbox may have something: cheap, asked every turn. */
  readonly hasMail: () => boolean;
  /** Read the mailbox. @returns false: stop */
  readonly readMail: () => boolean;
  /** Slots of the larger flow table. */
  readonly flowSlots: number;
}

/** Serve until the mailbox says stop. */
export function runLane(lane: LaneLoop): void {
  const { core, ports, wakeFd } = lane;
  const { exports, words } = core;
  const fds = Int32Array.from([wakeFd, ...ports.map((port) => port.fd)]);
  const sweepSlots = Math.ceil((lane.flowSlots * SWEEP_EVERY_MS) / SWEEP_ROUND_MS);
  let sweptAt = native.monotonicMs();
  for (;;) {
    let moved = 0;
    for (const port of ports) moved += port.pump(BUDGET);
    const now = native.monotonicMs();
    moved += exports.runBurst(BUDGET, now);
    const kicks = words.getUint32(CONTROL_BASE + CONTROL_KICK_MASK_OFF, true);
    if (kicks !== 0) kickPorts(ports, kicks);
    if (now - sweptAt >= SWEEP_EVERY_MS) {
      const share = hasFlows(words) ? 1 : EMPTY_SWEEP_SHARE;
      exports.sweep(now, Math.ceil((share * sweepSlots * (now - sweptAt)) / SWEEP_EVERY_MS));
      sweptAt = now;
    }
    if (lane.hasMail() && !lane.readMail()) return;
    if (moved !== 0 || lane.hasMail()) continue;
    const draining = (kicks & ((1 << KICK_RX_SHIFT) - 1)) !== 0;
    const ready = native.poll(fds, draining ? DRAIN_MS : IDLE_MS);
    if ((ready & WOKEN) !== 0) native.drain(wakeFd);
  }
}

function hasFlows(words: DataView): boolean {
  const live4 = words.getUint32(CONTROL_BASE + CONTROL_FLOWS4_LIVE_OFF, true);
  return live4 !== 0 || words.getUint32(CONTROL_BASE + CONTROL_FLOWS6_LIVE_OFF, true) !== 0;
}

function kickPorts(ports: readonly Port[], kicks: number): void {
  ports.forEach((port, idx) => {
    const tx = (kicks & (1 << idx)) !== 0;
    const rx = (kicks & (1 << (idx + KICK_RX_SHIFT))) !== 0;
    if (tx || rx) port.kick(tx, rx);
  });
}
