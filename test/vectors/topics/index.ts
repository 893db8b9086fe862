/** Every file of vectors, in the order in which one would read them. */
import type { Topic } from '../frames.js';
import { cache } from './cache.js';
import { checksum } from './checksum.js';
import { dns, malformed } from './dns.js';
import { drops, masquerade } from './drops.js';
import { frontends } from './frontends.js';
import { lpm } from './lpm.js';
import { maglev } from './maglev.js';
import { neighbours } from './neighbours.js';
import { parse } from './parse.js';
import { service } from './service.js';

export const TOPICS: readonly Topic[] = [
  checksum,
  parse,
  maglev,
  lpm,
  neighbours,
  service,
  frontends,
  masquerade,
  drops,
  dns,
  malformed,
  cache,
];
