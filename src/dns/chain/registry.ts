/**
 * Which function sets up which plugin: one line each. The order of the chain is corefile/plugin-order.ts.
 */
import { setUpAcl } from '../plugins/acl.js';
import { setUpAny } from '../plugins/any.js';
import { setUpAutopath } from '../plugins/autopath.js';
import { setUpBufsize } from '../plugins/bufsize.js';
import { setUpCache } from '../plugins/cache.js';
import { setUpCancel } from '../plugins/cancel.js';
import { setUpChaos } from '../plugins/chaos.js';
import { setUpDns64 } from '../plugins/dns64.js';
import { setUpErratic } from '../plugins/erratic.js';
import { setUpErrors } from '../plugins/errors.js';
import { setUpFile } from '../plugins/file/file.js';
import { setUpForward } from '../plugins/forward.js';
import { setUpHeader } from '../plugins/header.js';
import { setUpHosts } from '../plugins/hosts/hosts.js';
import { setUpKubernetes } from '../plugins/kubernetes.js';
import { setUpLoadbalance } from '../plugins/loadbalance.js';
import { setUpLocal } from '../plugins/local.js';
import { setUpLog } from '../plugins/log.js';
import { setUpLoop } from '../plugins/loop.js';
import { setUpMinimal } from '../plugins/minimal.js';
import { setUpNsid } from '../plugins/nsid.js';
import { setUpRewrite } from '../plugins/rewrite/rewrite.js';
import { setUpTemplate } from '../plugins/template/template.js';
import { setUpWhoami } from '../plugins/whoami.js';
import type { Setup } from './setup.js';

export const SETUPS: ReadonlyMap<string, Setup> = new Map([
  ['cancel', setUpCancel],
  ['nsid', setUpNsid],
  ['bufsize', setUpBufsize],
  ['errors', setUpErrors],
  ['log', setUpLog],
  ['local', setUpLocal],
  ['dns64', setUpDns64],
  ['any', setUpAny],
  ['chaos', setUpChaos],
  ['loadbalance', setUpLoadbalance],
  ['rewrite', setUpRewrite],
  ['autopath', setUpAutopath],
  ['acl', setUpAcl],
  ['cache', setUpCache],
  ['header', setUpHeader],
  ['minimal', setUpMinimal],
  ['template', setUpTemplate],
  ['hosts', setUpHosts],
  ['kubernetes', setUpKubernetes],
  ['file', setUpFile],
  ['loop', setUpLoop],
  ['forward', setUpForward],
  ['erratic', setUpErratic],
  ['whoami', setUpWhoami],
]);

/** Plugins that set something for the whole server, and see no query (settings.ts, listeners.ts). */
export const SETTINGS_ONLY: ReadonlySet<string> = new Set([
  'root',
  'metadata',
  'tls',
  'timeouts',
  'multisocket',
  'reload',
  'bind',
  'debug',
  'ready',
  'health',
  'pprof',
  'prometheus',
  'view',
]);

/** All that may stand in a server block. */
export const DIRECTIVES: ReadonlySet<string> = new Set([...SETUPS.keys(), ...SETTINGS_ONLY]);
