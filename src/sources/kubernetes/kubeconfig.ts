/**
 * A kubeconfig file: the cluster and the user of its current context.
 *
 * Tokens and client certificates, inline or in files. Plug-ins that have to be run for a token are
 * not supported.
 *
 * Spec  kubernetes.io, kubeconfig (v1)
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { DataplaneError, messageOf } from '../../errors.js';
import { check, throwFindings } from '../../validate.js';
import { readYaml } from '../../yaml.js';
import { serverUrl } from './connection.js';
import type { Connection } from './connection.js';

const text = z.string().optional();

const clusterSchema = z.object({
  server: z.string(),
  'certificate-authority': text,
  'certificate-authority-data': text,
  'insecure-skip-tls-verify': z.boolean().optional(),
  'tls-server-name': text,
});

const userSchema = z.object({
  token: text,
  tokenFile: text,
  'client-certificate': text,
  'client-certificate-data': text,
  'client-key': text,
  'client-key-data': text,
  exec: z.unknown().optional(),
  'auth-provider': z.unknown().optional(),
  username: z.unknown().optional(),
});

const schema = z.object({
  clusters: z.array(z.object({ name: z.string(), cluster: clusterSchema })),
  users: z.array(z.object({ name: z.string(), user: userSchema })).default([]),
  contexts: z.array(
    z.object({
      name: z.string(),
      context: z.object({ cluster: z.string(), user: z.string().default('') }),
    }),
  ),
  'current-context': z.string(),
});

type User = z.output<typeof userSchema>;

/** Ways to log in that would need something else to be run or a password to be kept. */
const UNSUPPORTED = ['exec', 'auth-provider', 'username'] as const;

function refuse(file: string, what: string): never {
  throw new DataplaneError('ERR_SOURCE', `${file}: ${what}`);
}

/** The entry of a list that has a name. */
function named<T extends { readonly name: string }>(
  entries: readonly T[],
  name: string,
  where: readonly [file: string, what: string],
): T {
  const [file, what] = where;
  return entries.find((entry) => entry.name === name) ?? refuse(file, `no ${what} "${name}"`);
}

function readDocument(file: string): z.output<typeof schema> {
  let contents: string;
  try {
    contents = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new DataplaneError('ERR_SOURCE', `cannot read ${file}: ${messageOf(cause)}`, { cause });
  }
  const [document] = readYaml(contents, file);
  if (document === undefined) return refuse(file, 'empty: expected a kubeconfig');
  const checked = check(schema, document);
  return checked.ok ? checked.value : throwFindings('ERR_SOURCE', checked.findings);
}

function refuseUnsupported(file: string, name: string, user: User): void {
  const method = UNSUPPORTED.find((key) => user[key] !== undefined);
  if (method === undefined) return;
  refuse(file, `user "${name}": ${method} is not supported: expected a token or a certificate`);
}

/**
 * Read a kubeconfig.
 *
 * @throws DataplaneError ERR_SOURCE, ERR_YAML  one sentence that names file and field
 */
export function readKubeconfig(file: string): Connection {
  const config = readDocument(file);
  const current = config['current-context'];
  const { context } = named(config.contexts, current, [file, 'context']);
  const { cluster } = named(config.clusters, context.cluster, [file, 'cluster']);
  const user = context.user === '' ? {} : named(config.users, context.user, [file, 'user']).user;
  refuseUnsupported(file, context.user, user);

  /** Inline base64, else a file beside the kubeconfig, read when it is asked for. */
  const pem = async (inline: string | undefined, path: string | undefined) => {
    if (inline !== undefined) return Buffer.from(inline, 'base64').toString('utf8');
    return path === undefined ? undefined : await readFile(resolve(dirname(file), path), 'utf8');
  };
  return {
    server: serverUrl(cluster.server, `${file}: cluster "${context.cluster}": server`),
    servername: cluster['tls-server-name'],
    insecure: cluster['insecure-skip-tls-verify'] ?? false,
    credentials: async () => {
      const { tokenFile } = user;
      const [ca, cert, key, filed] = await Promise.all([
        pem(cluster['certificate-authority-data'], cluster['certificate-authority']),
        pem(user['client-certificate-data'], user['client-certificate']),
        pem(user['client-key-data'], user['client-key']),
        pem(undefined, tokenFile),
      ]);
      return { ca, cert, key, token: (filed ?? user.token)?.trim() };
    },
  };
}
