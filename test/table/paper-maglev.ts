/** Maglev as its paper has it: what the core's tables are held against. */

/** MurmurHash3's finaliser: how assembly/table/maglev.ts makes two numbers of an identity. */
export function mix32(x: number): number {
  let h = x >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) >>> 0;
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) >>> 0;
  return (h ^ (h >>> 16)) >>> 0;
}

/** Eisenbud et al., NSDI 2016, 3.4: pseudocode 1, permutation written out. */
export function paperTable(ids: readonly number[], m: number): number[] {
  const permutation = ids.map((id) => {
    const offset = mix32((id ^ 0x9e3779b9) >>> 0) % m;
    const skip = m > 1 ? (mix32((id ^ 0x7f4a7c15) >>> 0) % (m - 1)) + 1 : 0;
    return Array.from({ length: m }, (_, j) => (offset + j * skip) % m);
  });
  const next = ids.map(() => 0);
  const entry = new Array<number>(m).fill(-1);
  for (let n = 0; ;) {
    for (let i = 0; i < ids.length; i++) {
      let c = permutation[i]?.[next[i] ?? 0] ?? 0;
      while ((entry[c] ?? 0) >= 0) {
        next[i] = (next[i] ?? 0) + 1;
        c = permutation[i]?.[next[i] ?? 0] ?? 0;
      }
      entry[c] = i;
      next[i] = (next[i] ?? 0) + 1;
      n++;
      if (n === m) return entry;
    }
  }
}

/** Identities in ascending order, the order in which members take their turns. */
export const idsOf = (n: number, salt = 1): number[] =>
  Array.from({ length: n }, (_, i) => mix32(i * 0x01000193 + salt)).sort((a, b) => a - b);
