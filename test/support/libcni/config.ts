/**
 * Network configuration lists as libcni 1.3 loads them (libcni/conf.go): plugin objects are kept as
 * they were written, with every key nobody here knows.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

export type Json = Record<string, unknown>;

/** The newest version of the specification that this driver speaks. */
const CURRENT_VERSION = '1.1.0';

export interface NetworkList {
  readonly name: string;
  readonly cniVersion: string;
  readonly disableCheck: boolean;
  readonly disableGC: boolean;
  readonly plugins: readonly Json[];
  /** The list as it was read, for the cache. */
  readonly text: string;
}

/** Compare two `major.minor.patch`; nothing is 0.1.0. @returns below, at or above 0 */
export function compareVersions(a: string, b: string): number {
  const parts = (version: string): number[] => (version || '0.1.0').split('.').map(Number);
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < 3; i += 1) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The newest of the versions that a list offers, as long as this driver knows it. */
function chooseVersion({ cniVersion, cniVersions }: Json): string {
  const alone = typeof cniVersion === 'string' ? cniVersion : '';
  if (!Array.isArray(cniVersions)) return alone;
  const offered = [...(cniVersions as string[]), ...(alone === '' ? [] : [alone])];
  const known = offered.filter((version) => compareVersions(version, CURRENT_VERSION) <= 0);
  return known.sort(compareVersions).at(-1) ?? alone;
}

/** libcni takes the words for booleans too. */
function readFlag(list: Json, key: string): boolean {
  const value = list[key] ?? false;
  const text = JSON.stringify(value).replaceAll('"', '').toLowerCase();
  if (text === 'true' || text === 'false') return text === 'true';
  throw new Error(`error parsing configuration list: invalid value "${text}" for ${key}`);
}

function parsePlugin(plugin: unknown): Json {
  const object = plugin as Json;
  if (typeof object['type'] !== 'string' || object['type'] === '')
    throw new Error("error parsing configuration: missing 'type'");
  return object;
}

export function parseList(text: string): NetworkList {
  const list = JSON.parse(text) as Json;
  if (typeof list['name'] !== 'string')
    throw new Error('error parsing configuration list: no name');
  const plugins = (list['plugins'] ?? []) as unknown[];
  if (list['plugins'] === undefined && readFlag(list, 'loadOnlyInlinedPlugins'))
    throw new Error('error parsing configuration list: only inlined plugins, and none');
  return {
    name: list['name'],
    cniVersion: chooseVersion(list),
    disableCheck: readFlag(list, 'disableCheck'),
    disableGC: readFlag(list, 'disableGC'),
    plugins: plugins.map(parsePlugin),
    text,
  };
}

/** A list, and behind its own plugins those of the folder that is named after it. */
export function loadList(file: string): NetworkList {
  const text = readFileSync(file, 'utf8');
  const list = parseList(text);
  const folder = join(dirname(file), list.name);
  const alone = readFlag(JSON.parse(text) as Json, 'loadOnlyInlinedPlugins');
  const files = alone || !existsSync(folder) ? [] : readdirSync(folder).sort();
  const added = files
    .filter((name) => name.endsWith('.conf'))
    .map((name) => parsePlugin(JSON.parse(readFileSync(join(folder, name), 'utf8'))));
  const plugins = [...list.plugins, ...added];
  if (plugins.length === 0) throw new Error('no plugin configs found');
  return { ...list, plugins };
}
