/**
 * Everything the demo makes, and its removal: at the end, on failure, when the process is told to
 * stop. Removal is synchronous, so that it also works while the process ends.
 */
import { existsSync, mkdtempSync, rmSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LAB_NAMESPACE, NETNS_DIR, openLab } from './netns.js';
import type { Lab } from './netns.js';
import { isAlive, list, removeRemains } from './remains.js';

const PIN_PARENT = '/sys/fs/bpf/sluice';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface Site {
  readonly lab: Lab;
  /** Temporary; manifests, configurations, state. */
  readonly folder: string;
  /** Below it everything that is pinned. */
  readonly pinRoot: string;
  /** Remember a process, so that `leftovers` asks for it. */
  watch(pid: number): void;
  /** Remove everything; may be called twice. */
  close(): void;
  /** What is still there, a few words each. */
  leftovers(): string[];
}

/** Remove the folder of all pins, if we made it and nobody else uses it. */
function removeParent(hadParent: boolean): void {
  if (hadParent || !existsSync(PIN_PARENT)) return;
  if (list(PIN_PARENT).length === 0) rmdirSync(PIN_PARENT);
}

/** @param beforeExit  done first when a signal or an error ends the process (the screen) */
export function openSite(beforeExit: () => void): Site {
  removeRemains(PIN_PARENT);
  const hadParent = existsSync(PIN_PARENT);
  const pids = new Set<number>();
  const folder = mkdtempSync(join(tmpdir(), `sluice-demo-${process.pid}-`));
  const pinRoot = join(PIN_PARENT, `demo-${process.pid}`);
  const lab = openLab();

  const close = (): void => {
    // Agents first: who runs could pin or write again.
    lab.close();
    rmSync(pinRoot, { recursive: true, force: true });
    removeParent(hadParent);
    rmSync(folder, { recursive: true, force: true });
    // Last: a second signal must not end the process half-way.
    process.removeListener('exit', close);
    for (const signal of SIGNALS) process.removeListener(signal, onSignal);
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    beforeExit();
    close();
    // With our handlers gone the signal means what it meant before.
    process.kill(process.pid, signal);
  };
  // Before the lab's own handlers, which end the process.
  for (const signal of SIGNALS) process.prependListener(signal, onSignal);
  process.prependListener('exit', close);

  const isOurs = (name: string): boolean => LAB_NAMESPACE.exec(name)?.[1] === `${process.pid}`;
  return {
    lab,
    folder,
    pinRoot,
    watch: (pid) => void pids.add(pid),
    close,
    leftovers: () => [
      ...list(NETNS_DIR)
        .filter(isOurs)
        .map((name) => `namespace ${name}`),
      ...[...pids].filter(isAlive).map((pid) => `process ${pid}`),
      ...[pinRoot, folder].filter((path) => existsSync(path)),
    ],
  };
}
