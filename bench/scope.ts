/**
 * Whatever a suite makes (namespaces, children, files) is registered here and undone in
 * reverse order: when the suite ends, when it fails, and on SIGINT, SIGTERM and exit.
 * Undoing is synchronous so that it also works in a signal handler.
 */

export interface Scope {
  /** Register how to undo what was just made. */
  defer(undo: () => void): void;
  /** Undo everything now. Failures are reported, not thrown: the rest must still go. */
  close(): void;
}

const open = new Set<Scope>();

export function openScope(report: (message: string) => void): Scope {
  const undos: (() => void)[] = [];
  const scope: Scope = {
    defer: (undo) => void undos.push(undo),
    close: () => {
      open.delete(scope);
      for (let undo = undos.pop(); undo; undo = undos.pop()) {
        try {
          undo();
        } catch (error) {
          report(`clean-up: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
    },
  };
  open.add(scope);
  return scope;
}

function closeAll(): void {
  for (const scope of [...open].reverse()) scope.close();
}

/** Exit code of a process ended by a signal is 128 + its number. */
const SIGNAL_EXIT = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Undo every open scope when the process is told to end. Call once. */
export function closeScopesOnExit(): void {
  for (const [signal, code] of Object.entries(SIGNAL_EXIT)) {
    process.once(signal, () => {
      closeAll();
      process.exit(code);
    });
  }
  process.once('exit', closeAll);
}
