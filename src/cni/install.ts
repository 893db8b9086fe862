/**
 * Putting the plugin where a runtime finds it, and taking it away again.
 *
 * A runtime may start a plugin at any moment, and reads its folder of configurations when a file is
 * renamed there (containerd looks at nothing else): so every file appears whole, by a rename within
 * its folder. The configuration comes last, and only when the agent says that it is ready: from
 * then on the node counts as having a network.
 */
import { lstat, open, readFile, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeFolder, removeParts, syncFolder } from '../disk.js';
import { DataplaneError, isErrno } from '../errors.js';
import { askCni } from './client.js';
import { CAPABILITIES } from './runtime-config.js';

/** What every container's cache is kept under by the runtime. */
const NETWORK = 'sluice';
/** The version runtimes without `cniVersions` speak: containerd 1.6 knows nothing newer. */
const BASE_VERSION = '1.0.0';
const VERSIONS = ['0.3.1', '0.4.0', '1.0.0', '1.1.0'];

const EXECUTABLE = 0o755;
const READABLE = 0o644;
const READY_MS = 2_000;
/** What native/cni/sluice-cni.c says about itself. */
const OWN_WORDS = 'sluice-cni: the CNI plugin of Sluice';
/** What runtimes take for a configuration. */
const CONF_SUFFIXES = ['.conf', '.conflist', '.json'];

export interface InstallOptions {
  readonly binDir: string;
  readonly confDir: string;
  /** Of the plugin. */
  readonly name: string;
  readonly socketPath: string;
}

export interface Installed {
  /** Paths that were made or replaced. */
  readonly changed: readonly string[];
  readonly warnings: readonly string[];
}

interface Places {
  readonly plugin: string;
  readonly link: string;
  readonly conflist: string;
}

function placesOf({ binDir, confDir, name }: InstallOptions): Places {
  const plugin = join(binDir, name);
  return { plugin, link: `${plugin}.sock`, conflist: join(confDir, `10-${name}.conflist`) };
}

/** The network configuration list. */
export function formatConflist(name: string): string {
  const capabilities = Object.fromEntries(CAPABILITIES.map((capability) => [capability, true]));
  const list = {
    cniVersion: BASE_VERSION,
    cniVersions: VERSIONS,
    name: NETWORK,
    plugins: [{ type: name, capabilities }],
  };
  return `${JSON.stringify(list, null, 2)}\n`;
}

function isMissing(error: unknown): boolean {
  return isErrno(error, 'ENOENT');
}

/** @returns undefined when there is nothing */
async function unlessMissing<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Give something its place: made under another name, renamed, durable. */
async function place(path: string, make: (part: string) => Promise<void>): Promise<void> {
  const folder = dirname(path);
  const part = join(folder, `.${basename(path)}.${process.pid}`);
  makeFolder(folder);
  await rm(part, { force: true });
  try {
    await make(part);
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** What installations that were killed have left beside a path. */
async function removePartsOf(path: string): Promise<void> {
  const prefix = `.${basename(path)}.`;
  const isPart = (name: string): boolean =>
    name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length));
  await unlessMissing(removeParts(dirname(path), isPart));
}

/** @returns whether there was anything to do */
async function placeFile(path: string, contents: Buffer, mode: number): Promise<boolean> {
  const current = await unlessMissing(readFile(path));
  if (current?.equals(contents) === true) return false;
  await place(path, async (part) => {
    const handle = await open(part, 'wx', mode);
    try {
      await handle.writeFile(contents);
      await handle.chmod(mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
  return true;
}

async function placeLink(path: string, target: string): Promise<boolean> {
  const isLink = (await unlessMissing(lstat(path)))?.isSymbolicLink() === true;
  if (isLink && (await readlink(path)) === target) return false;
  await place(path, (part) => symlink(target, part));
  return true;
}

/** The agent has to be able to serve before a runtime is told about it. */
async function requireReady({ binDir, name, socketPath }: InstallOptions): Promise<void> {
  const env = new Map([
    ['CNI_COMMAND', 'STATUS'],
    ['CNI_PATH', binDir],
  ]);
  const stdin = JSON.stringify({ cniVersion: '1.1.0', name: NETWORK, type: name });
  const reply = await askCni(socketPath, { env, stdin }, READY_MS);
  if (reply.exitCode === 0) return;
  throw new DataplaneError('ERR_STATE', `the agent is not ready: ${reply.stdout.trim()}`);
}

async function isOwnPlugin(path: string): Promise<boolean> {
  return (await unlessMissing(readFile(path)))?.includes(OWN_WORDS) ?? true;
}

/** Configurations of others that a runtime takes first. */
async function findRivals(path: string): Promise<string[]> {
  const own = basename(path);
  const names = await readdir(dirname(path));
  return names
    .filter((name) => CONF_SUFFIXES.some((suffix) => name.endsWith(suffix)) && name < own)
    .sort()
    .map((name) => `${join(dirname(path), name)} comes first: runtimes use it instead`);
}

/**
 * Install: the executable, the link to the agent's socket beside it, and last the configuration.
 * What is there already stays untouched.
 *
 * @param binary  path of the executable that was built
 * @throws DataplaneError ERR_STATE  the agent is not ready, or another plugin has the name
 */
export async function installCni(options: InstallOptions, binary: string): Promise<Installed> {
  const { plugin, link, conflist } = placesOf(options);
  await requireReady(options);
  if (!(await isOwnPlugin(plugin))) {
    const expectation = 'expected nothing, or an earlier plugin of Sluice: choose another cni.name';
    throw new DataplaneError('ERR_STATE', `${plugin} is somebody else's; ${expectation}`);
  }
  for (const path of [plugin, link, conflist]) await removePartsOf(path);
  const changed: string[] = [];
  const note = (path: string, isChanged: boolean): void => {
    if (isChanged) changed.push(path);
  };
  note(plugin, await placeFile(plugin, await readFile(binary), EXECUTABLE));
  note(link, await placeLink(link, options.socketPath));
  const text = Buffer.from(formatConflist(options.name));
  note(conflist, await placeFile(conflist, text, READABLE));
  return { changed, warnings: await findRivals(conflist) };
}

/** Whether a configuration is one that `installCni` wrote, whatever its version. */
function isOwnConflist(text: string, type: string): boolean {
  try {
    const list = JSON.parse(text) as { name?: unknown; plugins?: { type?: unknown }[] };
    const plugins = Array.isArray(list.plugins) ? list.plugins : [];
    return list.name === NETWORK && plugins.length === 1 && plugins[0]?.type === type;
  } catch {
    // Not JSON: nothing that was installed.
    return false;
  }
}

/**
 * Take away what `installCni` made, the configuration first. What is somebody else's stays.
 *
 * @returns paths that were removed
 */
export async function uninstallCni(options: InstallOptions): Promise<readonly string[]> {
  const { plugin, link, conflist } = placesOf(options);
  const text = await unlessMissing(readFile(conflist, 'utf8'));
  const target = await unlessMissing(lstat(link)).then((found) =>
    found?.isSymbolicLink() === true ? readlink(link) : undefined,
  );
  const hasPlugin = (await unlessMissing(lstat(plugin))) !== undefined;
  const isOurs = [
    [conflist, text !== undefined && isOwnConflist(text, options.name)],
    [plugin, hasPlugin && (await isOwnPlugin(plugin))],
    [link, target === options.socketPath],
  ] as const;
  for (const path of [plugin, link, conflist]) await removePartsOf(path);
  const removed: string[] = [];
  for (const [path, isOwn] of isOurs) {
    if (!isOwn) continue;
    await rm(path, { force: true });
    await syncFolder(dirname(path));
    removed.push(path);
  }
  return removed;
}
