/**
 * The flows of a backend, chained through the tallies of their reply rows, so that what a backend
 * leaves behind is found without a look at anything else. Flows of no service are chained by
 * their destination, for the day it becomes a frontend.
 *
 * FLOW_HEADS has one half a family; a head is the index + 1 of the first reply row of every flow
 * whose key falls there. Who walks a chain compares.
 */
import { RegionId } from '../abi';
import { mix32, mix64 } from '../mem/hash';
import { regionBase, regionCapacity } from '../mem/region';
import { Row, isV4, rowIdx, tallyAt, tallyOf } from './row';

/** In TALLY_PREVIOUS: the previous one is the head itself, whose index follows. */
const IS_HEAD: u32 = 0x80000000;

/** Index of the head a key falls to. */
function headOf<F>(key: u32): u32 {
  const half = regionCapacity(RegionId.FLOW_HEADS) >> 1;
  return (mix32(key) & (half - 1)) + (isV4<F>() ? 0 : half);
}

function headPtr(head: u32): usize {
  return regionBase(RegionId.FLOW_HEADS) + ((<usize>head) << 2);
}

/**
 * The key of flows that belong to no service.
 *
 * @param dst    16-byte address
 * @param ports  as FLOW_PORTS; the upper half counts
 */
export function tupleKey(dst: usize, ports: u32, proto: u32): u32 {
  return tupleKeyOf(load<u64>(dst), load<u64>(dst, 8), ports, proto);
}

/** `tupleKey` of an address that is in two words. */
export function tupleKeyOf(hi: u64, lo: u64, ports: u32, proto: u32): u32 {
  const h = mix64(hi ^ mix64(lo));
  return <u32>mix64(h ^ (ports >> 16) ^ (proto << 16));
}

/** Index + 1 of the first reply row of a key's chain, 0 = none. */
export function chainOf<F>(key: u32): u32 {
  return load<u32>(headPtr(headOf<F>(key)));
}

/** Begin to follow a flow. @param reply its reply row, which is in no chain */
export function chainFlow<F>(reply: Row, key: u32): void {
  const head = headOf<F>(key);
  const first = load<u32>(headPtr(head));
  const own = rowIdx<F>(reply) + 1;
  const tally = tallyOf<F>(reply);
  tally.setNext(first);
  tally.setPrevious(head | IS_HEAD);
  if (first != 0) tallyAt<F>(first - 1).setPrevious(own);
  store<u32>(headPtr(head), own);
}

/** Take a reply row out of its chain, if it is in one. */
export function unchainFlow<F>(reply: Row): void {
  const tally = tallyOf<F>(reply);
  const previous = tally.previous;
  if (previous == 0) return;
  const next = tally.next;
  if (previous & IS_HEAD) store<u32>(headPtr(previous & ~IS_HEAD), next);
  else tallyAt<F>(previous - 1).setNext(next);
  if (next != 0) tallyAt<F>(next - 1).setPrevious(previous);
  tally.setPrevious(0);
  tally.setNext(0);
}
