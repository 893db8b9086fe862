import test from 'ava';
import {
  SCRATCH_BASE,
  TALLY_KERNEL_PACKETS_OFF,
  TALLY_KERNEL_TCP_OFF,
  TALLY_SIZE,
  TALLY_STATE_OFF,
  TcpState,
} from '../../assembly/abi.js';
import { settledState } from '../../src/ops/settled.js';
import { openInnerCore } from '../support/inner-core.js';

const FLAGS = 8;

test('settled: readers outside come to the state that the core comes to, whatever the tallies say', async (t) => {
  const { exports, words, view } = await openInnerCore();
  const [original, reply] = [SCRATCH_BASE, SCRATCH_BASE + TALLY_SIZE];
  const seen = new Set<TcpState>();
  for (let state: TcpState = TcpState.NONE; state <= TcpState.SYN_SENT2; state++) {
    for (let bits = 0; bits < FLAGS * FLAGS * 4; bits++) {
      view.fill(0, original, reply + TALLY_SIZE);
      words.setUint8(original + TALLY_STATE_OFF, state);
      words.setUint8(original + TALLY_KERNEL_TCP_OFF, bits % FLAGS);
      words.setUint8(reply + TALLY_KERNEL_TCP_OFF, (bits >> 3) % FLAGS);
      words.setBigUint64(original + TALLY_KERNEL_PACKETS_OFF, BigInt((bits >> 6) & 1), true);
      words.setBigUint64(reply + TALLY_KERNEL_PACKETS_OFF, BigInt((bits >> 7) & 1), true);
      const core = exports.flowSettled(original, reply);
      seen.add(core);
      t.is(settledState(words, original, reply), core, `state ${state}, ${bits.toString(2)}`);
    }
  }
  t.is(seen.size, 10, 'every state is come to');
});
