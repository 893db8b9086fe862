/**
 * The core as the agent runs it: the release module of this package, through the loader.
 */
import { readFileSync } from 'node:fs';
import { instantiateSync } from '@assemblyscript/loader';
import { packageFile } from '../package-root.js';
import { openCore } from './core.js';
import type { Core, CoreExports } from './core.js';
import type { Capacities } from './regions.js';

let compiled: WebAssembly.Module | undefined;

/** The release module, compiled once a process. */
export function coreModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readFileSync(packageFile('build/core/core.wasm')));
  return compiled;
}

/** A core with its own memory and tables laid out for the capacities. */
export function createCore(capacities: Capacities, module = coreModule()): Core {
  return openCore((memory) => {
    const { exports } = instantiateSync(module, { env: { memory } });
    return exports as unknown as CoreExports;
  }, capacities);
}
