/** One rig for all of its tests, cleared before each. */
import test from 'ava';
import { openRig, type Rig } from './rig.js';

// linux/pkt_cls.h, linux/bpf.h
export const TC_ACT_OK = 0;
/** -1 as an unsigned word: whoever comes next on the hook decides. */
export const TC_ACT_UNSPEC = 0xffffffff;
export const TC_ACT_SHOT = 2;
export const TC_ACT_REDIRECT = 7;
export const XDP_DROP = 1;
export const XDP_PASS = 2;
export const XDP_REDIRECT = 4;

/** @returns the rig; there is none yet while the file is being read, nor ever without root */
export function useRig(): () => Rig {
  let rig: Rig | undefined;
  const get = (): Rig => {
    if (rig === undefined) throw new Error('the rig needs root');
    return rig;
  };
  if (process.getuid?.() !== 0) return get;
  test.before(() => {
    rig = openRig();
  });
  test.after.always(() => {
    rig?.close();
  });
  test.beforeEach(() => {
    get().clear();
    get().control({});
  });
  return get;
}
