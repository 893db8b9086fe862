/**
 * Which server a name belongs to: the longest cut of a listener that ends it. Each listener has a bit
 * for every number of labels that one of its cuts has, so that only those suffixes are looked up.
 */
import { ROW_STATE_OFF, RegionId, RowState } from '../abi';
import { DNS_HLEN, DNS_LABEL_MAX, ENTRY_NAME_OFF, LISTENER_MAX } from '../abi-dns';
import { regionBase, regionCapacity, regionRowSize } from '../mem/region';
import { TYPE_DS } from '../wire/dns';
import { FoldedName } from './fold';
import { entryOf, findName, isListener, spaceOf, valueOf } from './names';
import { CUT_DEPTHS, QNAME, Query } from './record';

function depthsOf(listener: u32): usize {
  return CUT_DEPTHS + ((<usize>listener) << 4);
}

/** Forget all depths: there are no cuts. */
export function resetCuts(): void {
  memory.fill(CUT_DEPTHS, 0, (LISTENER_MAX + 1) << 4);
}

/** A listener has a cut of `labels` labels. */
export function addCutDepth(listener: u32, labels: u32): void {
  const at = depthsOf(listener) + <usize>((labels >> 6) << 3);
  store<u64>(at, load<u64>(at) | ((<u64>1) << (labels & 63)));
}

/** Labels of a wire name without its root. */
function countLabels(name: usize): u32 {
  let labels: u32 = 0;
  for (; labels < <u32>DNS_LABEL_MAX && load<u8>(name) != 0; labels++) name += load<u8>(name) + 1;
  return labels;
}

/** A cut of `labels` labels is gone: keep the bit only if another cut has as many. */
export function dropCutDepth(listener: u32, labels: u32): void {
  const base = regionBase(RegionId.NAMES);
  const rowSize = regionRowSize(RegionId.NAMES);
  const end = base + <usize>regionCapacity(RegionId.NAMES) * rowSize;
  for (let row = base; row < end; row += rowSize) {
    if (load<u32>(row, ROW_STATE_OFF) != RowState.LIVE || spaceOf(row) != listener) continue;
    if (countLabels(entryOf(row) + ENTRY_NAME_OFF) == labels) return;
  }
  const at = depthsOf(listener) + <usize>((labels >> 6) << 3);
  store<u64>(at, load<u64>(at) & ~((<u64>1) << (labels & 63)));
}

/** The deepest cut of at most `depth` labels, noted in the query's record. @returns whether one is there */
function findCutUpTo(q: Query, listener: u32, depth: u32): bool {
  const at = depthsOf(listener);
  if (depth >= 64 && findCutIn(q, listener, load<u64>(at, 8), 64, depth - 64)) return true;
  return findCutIn(q, listener, load<u64>(at), 0, min<u32>(depth, 63));
}

/**
 * @param mask   depths that have cuts
 * @param first  the depth of bit 0
 * @param top    the highest bit to look at
 */
function findCutIn(q: Query, listener: u32, mask: u64, first: u32, top: u32): bool {
  const name = FoldedName.at(QNAME);
  const above: u64 = 63 - top;
  let depths = (mask << above) >> above;
  // Every turn takes a bit.
  while (depths != 0) {
    const bit: u64 = 63 - clz<u64>(depths);
    depths ^= (<u64>1) << bit;
    const labels = first + <u32>bit;
    const start = name.suffixStart(labels);
    const length = name.length - start;
    const row = findName(listener, name.hashFrom(start), name.ptr + start, length);
    if (!row) continue;
    q.setCut(valueOf(entryOf(row), length), DNS_HLEN + start, labels);
    return true;
  }
  return false;
}

/**
 * The cut that the question belongs to, noted in its record.
 *
 * @returns address of its value, 0 = none covers the name
 * Spec     DS lies above its cut (RFC 4035 3.1.4.1): the parent's server is asked if there is one
 */
export function findCut(q: Query, listener: u32): usize {
  if (!isListener(listener)) return 0;
  const labels = FoldedName.at(QNAME).labels;
  if (q.qtype == TYPE_DS && labels != 0 && findCutUpTo(q, listener, labels - 1)) return q.cut;
  return findCutUpTo(q, listener, labels) ? q.cut : 0;
}
