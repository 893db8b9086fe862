/**
 * The file of kubernetes-sigs/ip-masq-agent: which destinations pods keep their own address towards.
 *
 *   nonMasqueradeCIDRs: [10.0.0.0/8]    left out: the private ranges of IPv4 (RFC 1918)
 *   cidrLimit: 64                       a file with more of them is not used
 *   masqLinkLocal: false                169.254.0.0/16 is masqueraded, too
 *   masqLinkLocalIPv6: false            fe80::/10 is masqueraded, too
 *   resyncInterval: 60s                 when to read the file again
 *
 * Spec  kubernetes-sigs/ip-masq-agent, cmd/ip-masq-agent/ip-masq-agent.go
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { EXEMPT_MAX } from '../../assembly/abi.js';
import { parseCidr } from '../addr.js';
import type { Cidr } from '../addr.js';
import { DataplaneError, isErrno, messageOf } from '../errors.js';
import { parseGoDuration } from '../go-duration.js';
import { check, findingAt, formatFinding, parsed } from '../validate.js';
import { readYaml } from '../yaml.js';

export const LINK_LOCAL = parseCidr('169.254.0.0/16');
export const LINK_LOCAL_IPV6 = parseCidr('fe80::/10');
/** What its list is when the file does not say. */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map(parseCidr);
const RESYNC_DEFAULT_MS = 60_000;
/** A shorter interval would only burn time. */
const RESYNC_LEAST_MS = 1_000;

/** Both link-local ranges may be in the list. */
const LISTED_MAX = EXEMPT_MAX - 2;

const schema = z.strictObject({
  nonMasqueradeCIDRs: z.array(parsed(parseCidr)).nullish(),
  cidrLimit: z.int({ error: 'expected a whole number' }).nullish(),
  masqLinkLocal: z.boolean({ error: 'expected true or false' }).nullish(),
  masqLinkLocalIPv6: z.boolean({ error: 'expected true or false' }).nullish(),
  resyncInterval: parsed(parseGoDuration).nullish(),
});

type Document = ReturnType<typeof readYaml>[number];
type Settings = z.output<typeof schema>;

/** Who keeps the pod's address, and when to ask again. */
export interface MasqAgentConfig {
  readonly exempt: readonly Cidr[];
  readonly resyncMs: number;
  /** 169.254.0.0/16 is to be masqueraded. */
  readonly masqLinkLocal: boolean;
}

/** Without a file: nobody outside knows pods, and a link's own addresses are for links. */
export const NO_FILE: MasqAgentConfig = {
  exempt: [LINK_LOCAL, LINK_LOCAL_IPV6],
  resyncMs: RESYNC_DEFAULT_MS,
  masqLinkLocal: false,
};

function refuse(document: Document, key: string, expected: string): never {
  throw new DataplaneError('ERR_CONFIG', formatFinding(findingAt(document, [key], expected)));
}

/** The list; as in Go, null is an empty one. @throws DataplaneError ERR_CONFIG  too long */
function listOf(document: Document | undefined, value: Settings): readonly Cidr[] {
  const { nonMasqueradeCIDRs: listed = PRIVATE, cidrLimit } = value;
  const count = listed?.length ?? 0;
  if (document !== undefined && typeof cidrLimit === 'number' && count > cidrLimit) {
    refuse(document, 'cidrLimit', `expected at least the ${count} of nonMasqueradeCIDRs`);
  }
  if (document !== undefined && count > LISTED_MAX) {
    refuse(document, 'nonMasqueradeCIDRs', `expected at most ${LISTED_MAX}, found ${count}`);
  }
  return listed ?? [];
}

/**
 * @param file  for messages
 * @throws DataplaneError ERR_CONFIG, ERR_YAML  one sentence: file, key, value, what was expected
 */
export function parseMasqAgent(text: string, file: string): MasqAgentConfig {
  const [document] = readYaml(text, file);
  const value = document === undefined ? {} : settings(document);
  const masqLinkLocal = value.masqLinkLocal === true;
  return {
    exempt: [
      ...listOf(document, value),
      ...(masqLinkLocal ? [] : [LINK_LOCAL]),
      ...(value.masqLinkLocalIPv6 === true ? [] : [LINK_LOCAL_IPV6]),
    ],
    resyncMs: Math.max(value.resyncInterval ?? RESYNC_DEFAULT_MS, RESYNC_LEAST_MS),
    masqLinkLocal,
  };
}

function settings(document: Document): Settings {
  const checked = check(schema, document);
  if (checked.ok) return checked.value;
  const [first] = checked.findings;
  throw new DataplaneError('ERR_CONFIG', first ? formatFinding(first) : 'not readable');
}

export interface MasqAgentFile {
  /**
   * What the file says, read at most every resyncInterval. One that cannot be used leaves the list
   * as it was.
   */
  read(nowMs: number): MasqAgentConfig;
  /** When the file is to be read again. */
  dueMs(): number;
  /** Why the file was not used when it was last read, one sentence. */
  problem(): string | undefined;
}

export function watchMasqAgentFile(file: string): MasqAgentFile {
  let known = NO_FILE;
  let dueMs = -Infinity;
  let problem: string | undefined;
  return {
    read: (nowMs) => {
      if (nowMs < dueMs) return known;
      try {
        known = parseMasqAgent(readFileSync(file, 'utf8'), file);
        problem = undefined;
      } catch (error) {
        const isMissing = isErrno(error, 'ENOENT');
        problem = isMissing ? undefined : `${messageOf(error)}; the list before it is kept`;
        if (isMissing) known = NO_FILE;
      }
      dueMs = nowMs + known.resyncMs;
      return known;
    },
    dueMs: () => dueMs,
    problem: () => problem,
  };
}
