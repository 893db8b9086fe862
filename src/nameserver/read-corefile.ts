/** The Corefile of a server as it is now, whether it can be read or not. */
import { readFileSync } from 'node:fs';
import { DIRECTIVES } from '../dns/chain/registry.js';
import type { Corefile } from '../dns/corefile/corefile.js';
import { loadCorefile, parseCorefile } from '../dns/corefile/load.js';
import { messageOf } from '../errors.js';

export interface CorefileSource {
  /** Undefined: what CoreDNS does without one. */
  readonly corefile: string | undefined;
  /** Text instead of a file. */
  readonly corefileText?: string;
}

/** @throws DataplaneError ERR_CONFIG */
export function readCorefile({ corefile, corefileText }: CorefileSource): Corefile {
  return corefileText === undefined
    ? loadCorefile(corefile, { directives: DIRECTIVES })
    : parseCorefile(corefileText, { file: 'Corefile', directives: DIRECTIVES });
}

/** A look at it. */
export interface Reading {
  /** The same for the same text: the Corefile's hash, if it can be read. */
  readonly identity: string;
  /** @throws DataplaneError ERR_CONFIG */
  readonly corefile: () => Corefile;
}

function textOf({ corefile = '', corefileText }: CorefileSource): string {
  try {
    return corefileText ?? readFileSync(corefile, 'utf8');
  } catch (error) {
    return messageOf(error);
  }
}

export function lookAtCorefile(source: CorefileSource): Reading {
  try {
    const corefile = readCorefile(source);
    return { identity: corefile.hash, corefile: () => corefile };
  } catch (error) {
    // What is wrong in a file that is imported is in the message only.
    const identity = `${messageOf(error)}\n${textOf(source)}`;
    return {
      identity,
      corefile: () => {
        throw error;
      },
    };
  }
}
