/** How long processors were busy: /proc/stat, all of the machine. */
import { readFileSync } from 'node:fs';

/** Ticks a second of /proc/stat (USER_HZ is 100 on every architecture Node runs on). */
const USER_HZ = 100;

/**
 * Busy seconds of all processors since boot: user, nice, system, irq, softirq; neither idle nor
 * iowait nor what the hypervisor stole. Resolution 10 ms.
 */
export function busySeconds(): number {
  const [first = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = first
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq) / USER_HZ;
}
