/** The compiled files beside this one. */
import { fileURLToPath } from 'node:url';

/** Path of a program of the demo that is started in a process of its own. */
export function entryFile(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
