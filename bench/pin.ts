/** Processors: who runs where. */
import { execFileSync } from 'node:child_process';
import os from 'node:os';
import type { Scope } from './scope.js';

/** The traffic generator and everything its packets trigger. */
export const GENERATOR_CPU = 0;
/** What is under test, where it is a process; everything that runs alone. */
export const SUBJECT_CPU = Math.min(1, os.cpus().length - 1);

/** Keep this process's main thread, and children started from now on, on one processor. */
export function pinSelf(scope: Scope, cpu: number): void {
  const pin = (list: string): void =>
    void execFileSync('taskset', ['-pc', list, String(process.pid)], { stdio: 'ignore' });
  pin(String(cpu));
  scope.defer(() => pin(`0-${os.cpus().length - 1}`));
}

/**
 * Keep all threads of a process on one processor, whatever they chose: knotd binds its first worker for
 * UDP or XDP to processor 0, where it would be beside the client, which then wakes nobody elsewhere.
 */
export function pinThreads(pid: number, cpu: number): void {
  execFileSync('taskset', ['-apc', String(cpu), String(pid)], { stdio: 'ignore' });
}
