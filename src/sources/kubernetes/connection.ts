/**
 * Where the API server is and what proves who we are: a kubeconfig, or the service account of the
 * pod that the agent runs in.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { DataplaneError } from '../../errors.js';

/** Everything a request needs; PEM texts. */
export interface Credentials {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly token: string | undefined;
}

export interface Connection {
  /** https; a path is put before every request's. */
  readonly server: URL;
  /** Name the server's certificate is checked for; default the server's host. */
  readonly servername: string | undefined;
  /** Take any certificate. */
  readonly insecure: boolean;
  /** Read anew for every request: tokens and certificates rotate on disk. */
  credentials(): Promise<Credentials>;
}

/** @throws DataplaneError ERR_SOURCE */
export function serverUrl(text: string, where: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:') return url;
  const what = `${where}: ${JSON.stringify(text)}: expected an https address of the API server`;
  throw new DataplaneError('ERR_SOURCE', what);
}

/** Where a pod finds its service account. */
export const SERVICE_ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';

export function hasServiceAccount(dir = SERVICE_ACCOUNT_DIR): boolean {
  return existsSync(join(dir, 'token'));
}

/**
 * The API server as a pod finds it.
 *
 * @throws DataplaneError ERR_SOURCE  outside of a pod
 */
export function inClusterConnection(
  env: Readonly<Record<string, string | undefined>>,
  dir = SERVICE_ACCOUNT_DIR,
): Connection {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env;
  if (host === undefined || host === '' || !hasServiceAccount(dir)) {
    const what = `no service account: expected ${dir}/token and KUBERNETES_SERVICE_HOST, or source.kubernetes.kubeconfig`;
    throw new DataplaneError('ERR_SOURCE', what);
  }
  const authority = isIPv6(host) ? `[${host}]` : host;
  return {
    server: serverUrl(`https://${authority}:${port}`, 'KUBERNETES_SERVICE_HOST'),
    servername: undefined,
    insecure: false,
    credentials: async () => {
      const [token, ca] = await Promise.all([
        readFile(join(dir, 'token'), 'utf8'),
        readFile(join(dir, 'ca.crt'), 'utf8'),
      ]);
      return { token: token.trim(), ca, cert: undefined, key: undefined };
    },
  };
}
