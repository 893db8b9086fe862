/** A frame of a capture, whatever the format. */
import type { DataplaneError } from '../errors.js';

export interface CapturedFrame {
  /** Since the epoch. */
  readonly timeNs: bigint;
  readonly bytes: Uint8Array;
  /** Bytes on the wire; more than `bytes` when the capture cut the frame. */
  readonly wireLen: number;
}

/** Makes an error of the reason why a file is no capture. */
export type Refuse = (why: string) => DataplaneError;
