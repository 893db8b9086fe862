/** Self-signed certificates of a few days, made when they are needed. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/**
 * @param dir   where the files are left: `<name>.crt`, `<name>.key`
 * @param whose what it vouches for (subjectAltName)
 */
export function makeIdentity(dir: string, name: string, whose = 'IP:127.0.0.1'): Identity {
  const [cert, key] = [join(dir, `${name}.crt`), join(dir, `${name}.key`)];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const what = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${whose}`, '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...curve, ...what, '-keyout', key, '-out', cert], {
    stdio: 'pipe',
  });
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}
