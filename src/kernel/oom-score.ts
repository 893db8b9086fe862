/** How likely the kernel is to end this process when memory is short: proc(5), oom_score_adj. */
import { writeFileSync } from 'node:fs';
import { messageOf } from '../errors.js';

const OWN_SCORE = '/proc/self/oom_score_adj';

/**
 * @param adj  -1000 (never) to 1000
 * @returns    why it stayed as it was; undefined when it is set
 */
export function setOomScore(adj: number, file = OWN_SCORE): string | undefined {
  try {
    writeFileSync(file, `${adj}\n`);
    return undefined;
  } catch (error) {
    return `oomScoreAdj ${adj} is not set: ${messageOf(error)}`;
  }
}
