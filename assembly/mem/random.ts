/** Numbers nobody outside can foresee: a counter stirred with the secret hash keys. */
import { CONTROL_BASE, CONTROL_HASH_KEYS_OFF, CONTROL_RANDOM_OFF } from '../abi';
import { mix64 } from './hash';
import { isTraced } from './trace';

/** Different for every call; a traced frame sees the number that the next real one will get. */
export function nextRandom(): u32 {
  const word: usize = CONTROL_BASE + CONTROL_RANDOM_OFF;
  const turn = load<u32>(word) + 1;
  if (!isTraced()) store<u32>(word, turn);
  return <u32>mix64(load<u64>(CONTROL_BASE + CONTROL_HASH_KEYS_OFF) ^ turn);
}
