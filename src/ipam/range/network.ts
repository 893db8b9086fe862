/**
 * One network's addresses: the book and the folder, kept alike.
 *
 * Operations wait in a queue. A run of the same kind is done together: under one lock, with one
 * sync of the folder, and the syncs of its files beside each other.
 */
import { isErrno, messageOf } from '../../errors.js';
import { IpamError } from '../ipam.js';
import type { AddressRequest, Owner } from '../ipam.js';
import type { Book, Holding } from './book.js';
import { choose } from './choose.js';
import { openFolder } from './folder.js';
import type { Contents, Entry } from './folder.js';
import type { RangeSet } from './ranges.js';

/** How often a file that somebody put there without the lock may be met. */
const ATTEMPTS_MAX = 3;

interface Waiting {
  readonly resolve: (holdings: readonly Holding[]) => void;
  readonly reject: (cause: unknown) => void;
}

interface Acquire extends Waiting {
  readonly kind: 'acquire';
  readonly request: AddressRequest;
  readonly sets: readonly RangeSet[];
  readonly attempt: number;
}

interface Release extends Waiting {
  readonly kind: 'release';
  readonly owner: Owner;
}

/** Only to see what is there now. */
interface Look extends Waiting {
  readonly kind: 'look';
}

type Task = Acquire | Release | Look;
type Answer = () => void;

/** An acquisition under way. */
interface Begun {
  readonly task: Acquire;
  readonly holdings: readonly Holding[];
}

export interface Network {
  acquire(request: AddressRequest, sets: readonly RangeSet[]): Promise<readonly Holding[]>;
  release(owner: Owner): Promise<readonly Holding[]>;
  /** Take in what others did to the folder, and try again what the problem is about. */
  look(): Promise<void>;
  /** Why the folder cannot be opened or written, as far as is known. */
  problem(): string | undefined;
  /** Wait for what is under way. */
  close(): Promise<void>;
}

const isExisting = (cause: unknown): boolean => isErrno(cause, 'EEXIST');

/** The same in a file and in the book. */
const sameness = ({ name, containerId, ifname }: Entry): string =>
  [name, containerId, ifname].join('\n');

export interface NetworkOptions {
  readonly name: string;
  /** The folder. */
  readonly path: string;
  readonly book: Book;
  /** Wall clock, milliseconds. */
  readonly now: () => number;
  /** Told once when there begins to be a problem. */
  readonly onProblem: (text: string) => void;
}

export function openNetwork({ name, path, book, now, onProblem }: NetworkOptions): Network {
  const folder = openFolder(path);
  const queue: Task[] = [];
  let latest = new Map<number, bigint>();
  let running: Promise<void> | undefined;
  /** The folder is known to hold what the book does not. */
  let isStale = false;
  let isClosed = false;
  let problem: string | undefined;

  /** Make the book say what the folder says; what did not change keeps its number. */
  function take(contents: Contents): void {
    const found = new Map(contents.entries.map((entry) => [sameness(entry), entry]));
    for (const holding of book.ofNetwork(name)) {
      if (!found.delete(sameness(holding))) book.remove(holding, now());
    }
    for (const entry of found.values()) book.add(name, entry, undefined);
    latest = new Map(contents.latest);
    isStale = false;
  }

  function unavailable(cause: unknown): IpamError {
    if (cause instanceof IpamError) return cause;
    const message = `addresses of network ${name} cannot be kept: ${messageOf(cause)}`;
    return new IpamError('unavailable', message, { cause });
  }

  /** The folder is what fails. */
  function blame(cause: unknown): IpamError {
    const error = unavailable(cause);
    if (problem === undefined) onProblem(error.message);
    problem = error.message;
    return error;
  }

  /** What has failed may work again: an ADD would tell, but nobody asks a node that is not ready. */
  async function tryAgain(): Promise<void> {
    try {
      await folder.probe();
      problem = undefined;
    } catch (cause) {
      blame(cause);
    }
  }

  /** Choose, and note it in the book. @returns undefined when the task has failed */
  function begin(task: Acquire): Begun | undefined {
    const { owner, pod } = task.request;
    const whose = { containerId: owner.containerId.trim(), ifname: owner.ifname, sinceMs: now() };
    try {
      const choices = choose(task.request, task.sets, latest, book);
      const holdings = choices.map(({ setIdx, name: file, number }) => {
        latest.set(setIdx, number);
        return book.add(name, { ...whose, name: file, number }, pod);
      });
      return { task, holdings };
    } catch (cause) {
      task.reject(cause);
      return undefined;
    }
  }

  async function undo({ holdings }: Begun, files: readonly Holding[]): Promise<void> {
    const removals = await Promise.allSettled(files.map((file) => folder.remove(file.name)));
    if (removals.some(({ status }) => status === 'rejected')) isStale = true;
    for (const holding of holdings) book.remove(holding, undefined);
  }

  /** All files of an acquisition, or none. @returns whether they are there */
  async function publish(begun: Begun): Promise<boolean> {
    const { task, holdings } = begun;
    const results = await Promise.allSettled(holdings.map((holding) => folder.create(holding)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed === undefined) return true;
    await undo(
      begun,
      holdings.filter((_, i) => results[i]?.status === 'fulfilled'),
    );
    if (isExisting(failed.reason) && task.attempt < ATTEMPTS_MAX) {
      isStale = true;
      queue.unshift({ ...task, attempt: task.attempt + 1 });
    } else task.reject(blame(failed.reason));
    return false;
  }

  async function acquireAll(tasks: readonly Acquire[]): Promise<Answer[]> {
    const before = new Map(latest);
    const begun = tasks.map(begin).filter((each) => each !== undefined);
    const turned = [...latest].filter(([setIdx, number]) => before.get(setIdx) !== number);
    // A turn that cannot be noted is no reason to refuse; a folder that cannot be synced is.
    const turning = Promise.allSettled(turned.map((each) => folder.setLatest(...each)));
    const arePublished = await Promise.all(begun.map(publish));
    const published = begun.filter((_, i) => arePublished[i]);
    try {
      await turning;
      if (begun.length > 0) await folder.sync();
    } catch (cause) {
      isStale = true;
      await Promise.all(published.map((each) => undo(each, each.holdings)));
      const error = blame(cause);
      for (const { task } of published) task.reject(error);
      return [];
    }
    if (published.length > 0) problem = undefined;
    return published.map(
      ({ task, holdings }) =>
        () =>
          task.resolve(holdings),
    );
  }

  async function releaseAll(tasks: readonly Release[]): Promise<Answer[]> {
    const going = new Set<Holding>();
    const released = tasks.map(({ owner }) => {
      const holdings = book.of(owner).filter((holding) => !going.has(holding));
      for (const holding of holdings) going.add(holding);
      return holdings;
    });
    const removals = Array.from(going, async (holding) => {
      await folder.remove(holding.name);
      book.remove(holding, now());
    });
    const failed = (await Promise.allSettled(removals)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
    if (going.size > 0) await folder.sync();
    return tasks.map((task, i) => () => task.resolve(released[i] ?? []));
  }

  /** @param tasks  of one kind @returns what to say when the lock is given back */
  async function perform(tasks: readonly Task[]): Promise<Answer[]> {
    if (isStale || folder.hasChanged()) take(folder.read());
    const looks = tasks.filter((task) => task.kind === 'look');
    if (looks.length > 0 && problem !== undefined) await tryAgain();
    return [
      ...(await acquireAll(tasks.filter((task) => task.kind === 'acquire'))),
      ...(await releaseAll(tasks.filter((task) => task.kind === 'release'))),
      ...looks.map((task) => () => task.resolve([])),
    ];
  }

  /** @param tasks  of one kind */
  async function serve(tasks: readonly Task[]): Promise<readonly Answer[]> {
    const isRelease = tasks.some(({ kind }) => kind === 'release');
    if (!isRelease || folder.isThere()) return folder.locked(() => perform(tasks));
    take({ entries: [], latest: new Map() });
    return tasks.map((task) => () => task.resolve([]));
  }

  async function run(): Promise<void> {
    await Promise.resolve(); // what comes in the same turn comes along
    for (let [first] = queue; first !== undefined; [first] = queue) {
      const { kind } = first;
      const end = queue.findIndex((task) => task.kind !== kind);
      const tasks = queue.splice(0, end < 0 ? queue.length : end);
      try {
        for (const answer of await serve(tasks)) answer();
      } catch (cause) {
        const error = blame(cause);
        for (const task of tasks) task.reject(error);
      }
    }
    running = undefined;
  }

  function enqueue(task: (waiting: Waiting) => Task): Promise<readonly Holding[]> {
    if (isClosed) return Promise.reject(new IpamError('unavailable', `network ${name} is closed`));
    return new Promise((resolve, reject) => {
      queue.push(task({ resolve, reject }));
      running ??= run();
    });
  }

  return {
    acquire: (request, sets) =>
      enqueue((waiting) => ({ kind: 'acquire', request, sets, attempt: 1, ...waiting })),
    release: (owner) => enqueue((waiting) => ({ kind: 'release', owner, ...waiting })),
    async look() {
      await enqueue((waiting) => ({ kind: 'look', ...waiting }));
    },
    problem: () => problem,
    async close() {
      isClosed = true;
      await running;
      folder.close();
    },
  };
}
