/** Configuration keys of the CNI plugin. */
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { path, row, rowOr } from './rows.js';

const nameError = 'expected letters, digits, "_", "." and "-", a letter or digit first';

const cniSchema = z.strictObject({
  socket: row(
    path.optional(),
    'FILE',
    'where the plugin reaches the agent; default cni.sock in stateDir',
  ),
  dataDir: row(
    path.optional(),
    'DIR',
    'what is attached, over a restart; default /var/lib/sluice/<nodeName>',
  ),
  binDir: rowOr(path, '/opt/cni/bin', 'DIR', "the runtime's folder of plugins"),
  confDir: rowOr(path, '/etc/cni/net.d', 'DIR', "the runtime's folder of network configurations"),
  name: rowOr(
    z.string({ error: nameError }).regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, { error: nameError }),
    'sluice',
    'NAME',
    'name of the plugin, and of its file in binDir',
  ),
});

/** A key of the document itself. */
export const cniRows = {
  cni: row(
    cniSchema.optional(),
    'mapping',
    'serve the CNI plugin, {} as described here; default not at all',
  ),
};

export interface CniConfig {
  readonly socket: string;
  readonly dataDir: string;
  readonly binDir: string;
  readonly confDir: string;
  readonly name: string;
}

/** What paths depend on. */
export interface CniPlaces {
  readonly nodeName: string;
  readonly stateDir: string;
  /** What relative paths start from. */
  readonly folder: string;
}

/** Fill in what depends on other keys. */
export function completeCni(
  parsedRows: z.output<z.ZodObject<typeof cniRows>>,
  { nodeName, stateDir, folder }: CniPlaces,
): { readonly cni: CniConfig | undefined } {
  if (parsedRows.cni === undefined) return { cni: undefined };
  const { socket, dataDir, binDir, confDir, name } = parsedRows.cni;
  return {
    cni: {
      dataDir: resolve(folder, dataDir ?? join('/var/lib/sluice', nodeName)),
      socket: socket === undefined ? join(stateDir, 'cni.sock') : resolve(folder, socket),
      binDir: resolve(folder, binDir),
      confDir: resolve(folder, confDir),
      name,
    },
  };
}
