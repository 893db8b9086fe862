/** Whether the frame at hand is only being traced: what it would change must stay as it is. */
import { CONTROL_BASE, CONTROL_TRACE_OFF } from '../abi';

export function isTraced(): bool {
  return load<u32>(CONTROL_BASE + CONTROL_TRACE_OFF) != 0;
}
