/** Files that travel with the package, found from the sources and from the compiled tree alike. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataplaneError } from './errors.js';

/** The folder that holds package.json. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new DataplaneError('ERR_STATE', 'package.json of sluice not found');
    folder = parent;
  }
  return folder;
}

/**
 * Absolute path of a file of the package.
 *
 * @throws DataplaneError ERR_CORE_BUILD when it has not been built
 */
export function packageFile(path: string): string {
  const file = join(packageRoot(), path);
  if (existsSync(file)) return file;
  throw new DataplaneError('ERR_CORE_BUILD', `${path} is missing: run \`npm run build\``);
}

/** As package.json has it. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as {
    version: string;
  };
  return version;
}
