/** Why frames were dropped: how many of each reason, and what the reason means. */
import { Drop, Verdict } from '../assembly/abi.js';
import { readPkt } from '../src/ops/pkt.js';
import { el } from './dom.js';
import type { PlayedFrame } from './scene.js';

export function dropView(
  frames: readonly PlayedFrame[],
  sentences: Readonly<Record<string, string>>,
): HTMLElement {
  const counts = new Map<string, number>();
  for (const { played } of frames) {
    if (played.left.verdict !== Verdict.DROP) continue;
    const name = Drop[readPkt(played.left.pkt).drop];
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  if (counts.size === 0) return el('p', {}, 'No frame of this capture is dropped.');
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  const items = sorted.flatMap(([name, count]) => [
    el('dt', {}, el('code', {}, name), ` ${count}`),
    el('dd', {}, sentences[name] ?? ''),
  ]);
  return el('dl', { class: 'drops' }, ...items);
}
