/**
 * A bundle with its compiled code beside it: Node 20 compiles every file anew at every start, which for
 * the DNS server is a good part of the time until its first answer.
 *
 * Compiled code is of one V8 with one set of flags, which its name says; without it, or when V8 refuses
 * it, the bundle is compiled as any file.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Script } from 'node:vm';

/** Set by scripts/code-cache.ts: compiled code is written so many milliseconds after the start. */
export const WRITE_AFTER_MS = 'SLUICE_CODE_CACHE_AFTER_MS';

interface Module {
  exports: object;
}
type Body = (module: Module, require: NodeJS.Require, file: string, folder: string) => void;

/** Where the compiled code of a bundle is, for a Node and its flags. V8 looks at both again. */
function codeCacheOf(file: string): string {
  const flags = encodeURIComponent(process.execArgv.join(' '));
  return `${file}.${process.version}${flags}.cache`;
}

function readCache(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

function writeLater(script: Script, cache: string): void {
  const afterMs = Number(process.env[WRITE_AFTER_MS]);
  if (!Number.isFinite(afterMs)) return;
  setTimeout(() => {
    writeFileSync(`${cache}.new`, script.createCachedData());
    renameSync(`${cache}.new`, cache);
  }, afterMs);
}

/**
 * Run a bundle in CommonJS.
 *
 * @param file  absolute path
 * @returns     what it exports
 */
export function runCached(file: string): object {
  const cache = codeCacheOf(file);
  const cachedData = readCache(cache);
  const source = `(function (module, require, __filename, __dirname) {${readFileSync(file, 'utf8')}\n})`;
  const script = new Script(source, { filename: file, ...(cachedData ? { cachedData } : {}) });
  writeLater(script, cache);
  const module: Module = { exports: {} };
  const body = script.runInThisContext() as Body;
  body(module, createRequire(file), file, dirname(file));
  return module.exports;
}
