/**
 * The core as the listeners see it: messages answered where they lie, and what the core leaves to the
 * host.
 */
import type { Client } from '../plugin.js';
import type { StreamMeter } from './zone-words.js';

/** The exports of the core that answer; see assembly/abi-dns.ts. */
export interface AnswerExports {
  dnsAnswer(
    listener: number,
    messagePtr: number,
    length: number,
    room: number,
    flags: number,
    nowMs: number,
  ): number;
  dnsBatch(descriptors: number, count: number, nowMs: number): number;
}

/** A part of linear memory for messages: room for one batch of UDP and for one message of TCP. */
export interface AnswerSpace {
  readonly slots: number;
  readonly slotSize: number;
  /** Linear addresses. */
  readonly slotsAt: number;
  readonly descriptorsAt: number;
  readonly streamAt: number;
}

export interface Answerer {
  readonly exports: AnswerExports;
  readonly view: Uint8Array;
  readonly words: DataView;
  readonly space: AnswerSpace;
  /** Counts what comes over streams; left out: nobody wants to know. */
  readonly meter?: StreamMeter;
  /** To be called after the core has answered: it may have left something to be asked for again. */
  readonly answered?: () => void;
}

/**
 * What the core does not answer. Never rejects.
 *
 * @param message  a copy, the listener's no more
 * @returns        what is sent; empty: nothing
 */
export type AskHost = (
  listener: number,
  message: Uint8Array,
  client: Client,
) => Promise<Uint8Array>;

/** Datagrams of a batch, and bytes of each: what a listener may send and one byte of alarm. */
export const SLOTS = 64;
export const SLOT_SIZE = 4096;
/** A message of TCP: two bytes of length say how long. */
export const STREAM_SIZE = 0x10000;
