/** Configuration keys of what leaves the cluster. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { EXEMPT_MAX } from '../../assembly/abi.js';
import { parseCidr } from '../addr.js';
import type { Cidr } from '../addr.js';
import { onOff, rowOr } from './rows.js';
import { parsed } from '../validate.js';

/** Where kubernetes-sigs/ip-masq-agent has its own. */
const IP_MASQ_AGENT_FILE = '/etc/config/ip-masq-agent';

const masqueradeSchema = z.strictObject({
  outside: rowOr(
    onOff,
    'on',
    'on|off',
    "pods go out of the cluster with the node's address; off: the kernel's own routes and rules decide",
  ),
  nonMasqueradeCIDRs: rowOr(
    z.array(parsed(parseCidr)).max(EXEMPT_MAX, { error: `expected at most ${EXEMPT_MAX}` }),
    [],
    'list of CIDR',
    'destinations outside that pods keep their own address towards',
  ),
  ipMasqAgentFile: rowOr(
    z.string().min(1, { error: 'expected a path' }),
    IP_MASQ_AGENT_FILE,
    'FILE',
    'the same list as ip-masq-agent reads it, if the file is there; read again at its resyncInterval',
  ),
});

/** Keys of the document itself. */
export const masqueradeRows = {
  masquerade: rowOr(masqueradeSchema, {}, 'mapping', 'what leaves the cluster'),
};

type Parsed = z.output<z.ZodObject<typeof masqueradeRows>>;

export interface MasqueradeConfig {
  readonly masquerade: {
    readonly outside: boolean;
    readonly nonMasqueradeCIDRs: readonly Cidr[];
    readonly ipMasqAgentFile: string;
  };
}

/** @param folder  what relative paths start from */
export function completeMasquerade({ masquerade }: Parsed, folder: string): MasqueradeConfig {
  const ipMasqAgentFile = resolve(folder, masquerade.ipMasqAgentFile);
  return { masquerade: { ...masquerade, ipMasqAgentFile } };
}
