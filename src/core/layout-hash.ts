// Generated from assembly/abi.ts by scripts/gen-abi-h.ts. Do not edit.

/**
 * Identity of the rows that outlive an agent: of every constant that places a byte of a flow row, a
 * tally or CONTROL. Tables with another identity are not ours to read.
 */
export const LAYOUT_HASH = 0x987381f8;
