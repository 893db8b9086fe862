/**
 * What a server leaves for the one that is started in its place, `early.json` in the state directory:
 * how it was started, what its Corefile was, and where it listened. Only when all of this is as it was
 * does the next one answer before it has read anything else.
 *
 * The Corefile is there as text, and not as a sum, because what sums takes longer to load than all files
 * of a Corefile take to compare.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ABI_VERSION } from '../../../assembly/abi.js';
import type { Corefile } from '../../dns/corefile/corefile.js';
import { createCorefileFiles } from '../../dns/corefile/files.js';
import type { Bound } from '../../dns/server/messages.js';

/** A UDP socket. */
export interface EarlySocket {
  /** Number in the cuts. */
  readonly listener: number;
  readonly host: string;
  readonly port: number;
}

export interface EarlySetup {
  /** Of the core: records of names are made for it. */
  readonly abi: number;
  /** The command line behind `dns`, and the folder it starts from. */
  readonly words: readonly string[];
  readonly folder: string;
  /** Of the configuration that the names are of. */
  readonly identity: string;
  readonly files: readonly { readonly path: string; readonly text: string }[];
  readonly sockets: readonly EarlySocket[];
}

const FILE = 'early.json';
const MODE = 0o600;

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((word, i) => word === b[i]);

/** @returns undefined when there is none, or not for this start */
export function readEarlySetup(stateDir: string, words: readonly string[]): EarlySetup | undefined {
  const setup = JSON.parse(readFileSync(join(stateDir, FILE), 'utf8')) as EarlySetup;
  const isMeant =
    setup.abi === ABI_VERSION && setup.folder === process.cwd() && isSame(setup.words, words);
  const isUnchanged = ({ path, text }: EarlySetup['files'][number]): boolean =>
    readFileSync(path, 'utf8') === text;
  return isMeant && setup.files.every(isUnchanged) ? setup : undefined;
}

export interface Kept {
  readonly words: readonly string[];
  readonly corefile: Corefile;
  readonly bound: readonly Bound[];
  /** The kernel chose ports: it will choose others. */
  readonly isChosen: boolean;
}

/** Sockets that the next server can open before it knows anything. */
function socketsOf({ bound, isChosen }: Kept): EarlySocket[] {
  const udp = bound.filter(({ transport }) => transport === 'udp');
  // Which interface a link-local address belongs to is found out in another way.
  if (isChosen || udp.some(({ host }) => host.includes('%'))) return [];
  return udp.map(({ listener, host, port }) => ({ listener, host, port }));
}

/** The files of a Corefile; undefined when they are no longer as it was read. */
function textsOf({ files: paths, hash }: Corefile): EarlySetup['files'] | undefined {
  const files = createCorefileFiles();
  const texts = paths.map((path) => {
    const text = readFileSync(path, 'utf8');
    files.add(path, text);
    return { path, text };
  });
  return files.hash() === hash ? texts : undefined;
}

/**
 * Leave it for the next one, or nothing where the next one cannot use it.
 *
 * @throws the error of the system
 */
export function keepEarlySetup(stateDir: string, kept: Kept): void {
  const file = join(stateDir, FILE);
  const sockets = socketsOf(kept);
  const files = textsOf(kept.corefile);
  if (sockets.length === 0 || files === undefined || files.length === 0) {
    rmSync(file, { force: true });
    return;
  }
  const setup: EarlySetup = {
    abi: ABI_VERSION,
    words: kept.words,
    folder: process.cwd(),
    identity: kept.corefile.hash,
    files,
    sockets,
  };
  writeFileSync(`${file}.new`, JSON.stringify(setup), { mode: MODE });
  renameSync(`${file}.new`, file);
}
