/**
 * What the agent knows and the tables do not, left where `sluice status` finds it: replaced as a
 * whole, so that a reader sees one state or the next.
 *
 * Ten thousand services are megabytes of text. They are written by and by, between other things,
 * and not at every change: the agent must not be late for the next one because it talks about the
 * last.
 */
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Control } from '../compile/control.js';
import type { Explanation } from '../compile/explain.js';
import type { SluiceConfig } from '../config/config.js';
import type { Lane } from '../core/lane-client.js';
import { makeFolder } from '../disk.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { OverlayStatus } from './publish.js';
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
  readonly overlay: OverlayStatus;
  readonly control: Explanation;
  readonly problems: readonly string[];
}

/** What is said beside the control plane's explanation. */
type Head = Omit<AgentStatus, 'control'>;

export interface StatusFile {
  /** Something may have changed: the file says so soon, and not oftener than it can afford. */
  update(outcome: Outcome): void;
  /** Write what is to be said last; nothing is written afterwards. */
  close(): Promise<void>;
}

/** From the end of one writing to the next, at least. */
const PAUSE_MIN_MS = 1_000;
/** And as many times as long as the writing took. */
const PAUSE_FACTOR = 20;
/** Work on the text at a stretch. */
const SLICE_MS = 1;

/** The text, a slice at a time. @param pause  let others work */
async function compose(head: Head, control: Control, pause: () => Promise<void>): Promise<string> {
  const services: string[] = [];
  const steps = control.explainBySteps();
  let sliceEndMs = performance.now() + SLICE_MS;
  for (;;) {
    const step = steps.next();
    if (step.done) {
      const open = (object: object): string => JSON.stringify(object).slice(0, -1);
      const list = `[\n${services.join(',\n')}\n]`;
      return `${open(head)},\n"control":${open(step.value)},\n"services":${list}}}\n`;
    }
    for (const service of step.value) services.push(JSON.stringify(service));
    if (performance.now() < sliceEndMs) continue;
    await pause();
    sliceEndMs = performance.now() + SLICE_MS;
  }
}

/** What the file is made of. */
export interface StatusParts {
  readonly config: SluiceConfig;
  readonly lane: Pick<Lane, 'ports' | 'adopted'>;
  readonly control: Control;
  readonly log: Log;
  readonly overlay: () => OverlayStatus;
}

export function createStatusFile({ config, lane, control, log, overlay }: StatusParts): StatusFile {
  makeFolder(config.stateDir);
  const file = join(config.stateDir, STATUS_FILE);
  const since = new Date().toISOString();
  const { nodeName, offload } = config;
  const { ports, adopted } = lane;
  let latest: Outcome | undefined;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;
  let nextMs = 0;
  let isOver = false;

  const write = async (): Promise<void> => {
    if (latest === undefined) return;
    const { pods, problems } = latest;
    latest = undefined;
    const life = { pid: process.pid, nodeName, since, offload, ports, adopted };
    const head = { ...life, pods, overlay: overlay(), problems };
    const startMs = performance.now();
    const pause = async (): Promise<void> => {
      // At the end nothing else is to be done.
      if (!isOver) await setImmediate();
    };
    try {
      await writeFile(`${file}.new`, await compose(head, control, pause));
      await rename(`${file}.new`, file);
    } catch (error) {
      log.error(`${file}: ${messageOf(error)}`);
    }
    nextMs =
      performance.now() + Math.max(PAUSE_MIN_MS, PAUSE_FACTOR * (performance.now() - startMs));
  };
  const run = (): void => {
    timer = undefined;
    writing = write().finally(() => {
      writing = undefined;
      if (latest) arm();
    });
  };
  const arm = (): void => {
    if (!isOver) timer ??= setTimeout(run, Math.max(0, nextMs - performance.now()));
  };

  return {
    update: (outcome) => {
      latest = outcome;
      if (!writing) arm();
    },
    close: async () => {
      isOver = true;
      clearTimeout(timer);
      await writing;
      await write();
    },
  };
}
