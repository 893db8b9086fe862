/**
 * Runs of bytes of any length over a region: two-level segregated fit (Masmano et al., TLSF, ECRTS
 * 2004). Taking and giving back cost the same whatever the region holds, and neighbours that are free
 * become one run again.
 *
 * The region begins with the directory of free runs:
 *
 *   0          4                     116                        1024
 *   +----------+---------------------+--------------------------+----------
 *   | classes  | subclasses, 28 words| heads, 28 * 8 words      | runs ...
 *   +----------+---------------------+--------------------------+----------
 *
 * and every run with a header; links of the list are where a taken run has its bytes:
 *
 *   0                 4                     8          12
 *   +-----------------+---------------------+----------+----------+
 *   | size | FREE     | offset of the run   | next     | previous |
 *   |                 | in front of it      | free one | free one |
 *   +-----------------+---------------------+----------+----------+
 *
 * Sizes include the header and are multiples of 8. Offsets count from the region; 0 means none.
 */
import { RegionId } from '../abi';
import { regionBase, regionCapacity, regionUsed, setRegionUsed } from '../mem/region';

const SUBCLASS_BITS: u32 = 3;
const SUBCLASSES: u32 = 1 << SUBCLASS_BITS;
/** log2 of the smallest run: its header and two links. */
const CLASS_FIRST: u32 = 4;
const RUN_MIN: u32 = 1 << CLASS_FIRST;
const CLASSES: u32 = 32 - CLASS_FIRST;

const SUBCLASSES_OFF: usize = 4;
const HEADS_OFF: usize = SUBCLASSES_OFF + CLASSES * 4;
const RUNS_OFF: u32 = 1024;

const RUN_HLEN: u32 = 8;
const SIZE_OFF: usize = 0;
const BEFORE_OFF: usize = 4;
const NEXT_OFF: usize = 8;
const PREV_OFF: usize = 12;
const FREE: u32 = 1;

/** Nothing longer is asked for; keeps the sums below from wrapping. */
const BYTES_MAX: u32 = 1 << 30;

if (HEADS_OFF + CLASSES * SUBCLASSES * 4 > RUNS_OFF) ERROR('the directory overlaps the runs');

function sizeOf(run: usize): u32 {
  return load<u32>(run, SIZE_OFF) & ~FREE;
}

function isFree(run: usize): bool {
  return (load<u32>(run, SIZE_OFF) & FREE) != 0;
}

/** Class of a size; its subclass is `subclassOf`. */
function classOf(size: u32): u32 {
  return 31 - clz<u32>(size) - CLASS_FIRST;
}

function subclassOf(size: u32, fl: u32): u32 {
  return (size >> (fl + CLASS_FIRST - SUBCLASS_BITS)) & (SUBCLASSES - 1);
}

function headPtr(base: usize, fl: u32, sl: u32): usize {
  return base + HEADS_OFF + <usize>(((fl << SUBCLASS_BITS) + sl) << 2);
}

/** Put a free run on the list of its size. */
function link(base: usize, run: usize): void {
  const size = sizeOf(run);
  const fl = classOf(size);
  const sl = subclassOf(size, fl);
  const head = headPtr(base, fl, sl);
  const offset = <u32>(run - base);
  const next = load<u32>(head);
  store<u32>(run, size | FREE, SIZE_OFF);
  store<u32>(run, next, NEXT_OFF);
  store<u32>(run, 0, PREV_OFF);
  if (next) store<u32>(base + next, offset, PREV_OFF);
  store<u32>(head, offset);
  const subclasses = base + SUBCLASSES_OFF + <usize>(fl << 2);
  store<u32>(subclasses, load<u32>(subclasses) | (1 << sl));
  store<u32>(base, load<u32>(base) | (1 << fl));
}

/** Take a free run off its list. */
function unlink(base: usize, run: usize): void {
  const size = sizeOf(run);
  const next = load<u32>(run, NEXT_OFF);
  const prev = load<u32>(run, PREV_OFF);
  store<u32>(run, size, SIZE_OFF);
  if (next) store<u32>(base + next, prev, PREV_OFF);
  if (prev) {
    store<u32>(base + prev, next, NEXT_OFF);
    return;
  }
  const fl = classOf(size);
  const sl = subclassOf(size, fl);
  store<u32>(headPtr(base, fl, sl), next);
  if (next) return;
  const subclasses = base + SUBCLASSES_OFF + <usize>(fl << 2);
  const left = load<u32>(subclasses) & ~((<u32>1) << sl);
  store<u32>(subclasses, left);
  if (left == 0) store<u32>(base, load<u32>(base) & ~((<u32>1) << fl));
}

/** A free run of at least `size`, still on its list; 0 = there is none. */
function findRun(base: usize, size: u32): usize {
  // From the next subclass on every run is long enough.
  const floor = classOf(size);
  const step = ((<u32>1) << (floor + CLASS_FIRST - SUBCLASS_BITS)) - 1;
  const wanted = size + step;
  let fl = classOf(wanted);
  if (fl >= CLASSES) return 0;
  const from = subclassOf(wanted, fl);
  let fits = load<u32>(base + SUBCLASSES_OFF + <usize>(fl << 2)) & (~(<u32>0) << from);
  if (fits == 0) {
    const longer = load<u32>(base) & (~(<u32>0) << (fl + 1));
    if (longer == 0) return 0;
    fl = ctz<u32>(longer);
    fits = load<u32>(base + SUBCLASSES_OFF + <usize>(fl << 2));
  }
  return base + load<u32>(headPtr(base, fl, ctz<u32>(fits)));
}

/** What a run of `size` has behind the first `keep` bytes becomes a run of its own. */
function splitRun(base: usize, run: usize, keep: u32): void {
  const size = sizeOf(run);
  if (size - keep < RUN_MIN) return;
  const rest = run + keep;
  store<u32>(run, keep, SIZE_OFF);
  store<u32>(rest, size - keep, SIZE_OFF);
  store<u32>(rest, <u32>(run - base), BEFORE_OFF);
  store<u32>(run + size, <u32>(rest - base), BEFORE_OFF);
  link(base, rest);
}

/** One free run over the whole region; one that is too small for any refuses whatever is asked. */
export function arenaReset(region: RegionId): void {
  const base = regionBase(region);
  const capacity = min<u32>(regionCapacity(region), BYTES_MAX) & ~7;
  setRegionUsed(region, 0);
  if (capacity < RUNS_OFF + RUN_MIN + RUN_HLEN) return;
  memory.fill(base, 0, RUNS_OFF);
  const run = base + RUNS_OFF;
  const size = capacity - RUNS_OFF - RUN_HLEN;
  store<u32>(run, size, SIZE_OFF);
  store<u32>(run, 0, BEFORE_OFF);
  // The end: a header that is never free.
  store<u32>(run + size, 0, SIZE_OFF);
  store<u32>(run + size, RUNS_OFF, BEFORE_OFF);
  link(base, run);
}

/**
 * Take `bytes` bytes, which are whatever was there before.
 *
 * @returns offset of the first one in the region, a multiple of 8; 0 when there is no such run
 */
export function arenaTake(region: RegionId, bytes: u32): u32 {
  if (bytes > BYTES_MAX || regionCapacity(region) < RUNS_OFF + RUN_MIN + RUN_HLEN) return 0;
  const base = regionBase(region);
  const size = max<u32>(((bytes + 7) & ~7) + RUN_HLEN, RUN_MIN);
  const run = findRun(base, size);
  if (!run) return 0;
  unlink(base, run);
  splitRun(base, run, size);
  setRegionUsed(region, regionUsed(region) + sizeOf(run));
  return <u32>(run - base) + RUN_HLEN;
}

/** Give back what `arenaTake` returned. */
export function arenaGive(region: RegionId, offset: u32): void {
  const base = regionBase(region);
  let run = base + offset - RUN_HLEN;
  let size = sizeOf(run);
  setRegionUsed(region, regionUsed(region) - size);
  const behind = run + size;
  if (isFree(behind)) {
    unlink(base, behind);
    size += sizeOf(behind);
  }
  const before = load<u32>(run, BEFORE_OFF);
  if (before && isFree(base + before)) {
    run = base + before;
    unlink(base, run);
    size += sizeOf(run);
  }
  store<u32>(run, size, SIZE_OFF);
  store<u32>(run + size, <u32>(run - base), BEFORE_OFF);
  link(base, run);
}
