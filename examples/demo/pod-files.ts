/** Files that a pod has in place of its node's, as kubelet gives them: mounts of its own. */
import type { Command, Namespace } from './netns.js';

/** `$0` is the folder, the rest is the program; unshare(1) has made every mount private. */
const MOUNT_AND_RUN =
  'for file in "$0"/*; do mount --bind "$file" "/etc/${file##*/}" || exit; done; exec "$@"';

/**
 * The same namespace, whose programs each see the files of a folder in /etc. They stay the
 * processes that were started: signals and process ids mean what they meant.
 *
 * @param folder  files whose names /etc has, too
 */
export function withFiles(ns: Namespace, folder: string): Namespace {
  const inside = (command: Command): Command => [
    ...(['unshare', '--mount', '--', 'sh', '-c', MOUNT_AND_RUN, folder] as const),
    ...command,
  ];
  return {
    name: ns.name,
    path: ns.path,
    run: (command, options) => ns.run(inside(command), options),
    tryRun: (command, options) => ns.tryRun(inside(command), options),
    runAsync: (command, options) => ns.runAsync(inside(command), options),
    start: (command, options) => ns.start(inside(command), options),
    json: (command) => ns.json(inside(command)),
  };
}
