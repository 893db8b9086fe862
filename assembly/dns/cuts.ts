/**
 * Which server a name belongs to: the longest cut of a listener that ends it. Each listener has a bit
 * for every number of labels that one of its cuts has, so that only those suffixes are looked up.
 */
import { ROW_STATE_OFF, RegionId, RowState } from '../abi';
import { DNS_HLEN, DNS_LABEL_MAX, ENTRY_NAME_OFF, LISTENER_MAX } from '../abi-dns';
import { regionBase, regionCapacity, regionRowSize } from '../mem/region';
import { TYPE_DS } from '../wire/dns';
import { FoldedName } from './fold';
import { Names, entryOf, isListener, spaceOf, valueOf } from './names';
import { CUT_DEPTHS, QNAME, Query } from './record';

/** The deepest that the first word of depths has. */
const DEPTH_LOW_MAX: u32 = 63;

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

@unmanaged
@final
export class Cuts {
  /**
   * The deepest cut among some depths, noted in the query's record.
   *
   * @param mask   depths that have cuts
   * @param first  the depth of bit 0
   * @param top    the highest bit to look at
   * @returns      address of its value, 0 = none
   */
  @inline static findIn(q: Query, listener: u32, mask: u64, first: u32, top: u32): usize {
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
      const row = Names.find(listener, name.hashFrom(start), name.ptr + start, length);
      if (!row) continue;
      const cut = valueOf(entryOf(row), length);
      q.setCut(cut, DNS_HLEN + start, labels);
      return cut;
    }
    return 0;
  }

  /**
   * The cut that the question belongs to, noted in its record.
   *
   * @returns address of its value, 0 = none covers the name
   */
  @inline static find(q: Query, listener: u32, type: u32): usize {
    const labels = FoldedName.at(QNAME).labels;
    if (!isListener(listener)) return 0;
    if (labels > DEPTH_LOW_MAX || type == TYPE_DS) return findRare(q, listener, type, labels);
    return Cuts.findIn(q, listener, load<u64>(depthsOf(listener)), 0, labels);
  }
}

/** The deepest cut of at most `depth` labels. @returns address of its value, 0 = none */
function findUpTo(q: Query, listener: u32, depth: u32): usize {
  const at = depthsOf(listener);
  if (depth > DEPTH_LOW_MAX) {
    const first = DEPTH_LOW_MAX + 1;
    const cut = Cuts.findIn(q, listener, load<u64>(at, 8), first, depth - first);
    if (cut) return cut;
  }
  return Cuts.findIn(q, listener, load<u64>(at), 0, min<u32>(depth, DEPTH_LOW_MAX));
}

/**
 * What few questions need: more labels than a word has bits, and DS.
 *
 * Spec  DS lies above its cut (RFC 4035 3.1.4.1): the parent's server is asked if there is one
 */
function findRare(q: Query, listener: u32, type: u32, labels: u32): usize {
  if (type == TYPE_DS && labels != 0) {
    const cut = findUpTo(q, listener, labels - 1);
    if (cut) return cut;
  }
  return findUpTo(q, listener, labels);
}
