/** The flow table, decoded: what the kernel's programs would execute on a node. */
import type { Flow } from '../src/ops/flow-rows.js';
import { el, table } from './dom.js';

const SHOWN_MAX = 200;
const COLUMNS = [
  'Protocol',
  'From → to',
  'Becomes',
  'Way out',
  'State',
  'Packets there',
  'Packets back',
];

function rowOf(flow: Flow, wayName: (flow: Flow) => string): string[] {
  const { protocol, from, to, translatedFrom, translatedTo, state } = flow;
  const isSame = from === translatedFrom && to === translatedTo;
  return [
    protocol,
    `${from} → ${to}`,
    isSame ? 'unchanged' : `${translatedFrom} → ${translatedTo}`,
    wayName(flow),
    state ?? '',
    String(flow.original.lanePackets),
    String(flow.reply.lanePackets),
  ];
}

export function flowView(flows: readonly Flow[], wayName: (flow: Flow) => string): HTMLElement {
  if (flows.length === 0) return el('p', {}, 'No flow has a row.');
  const shown = flows.slice(0, SHOWN_MAX).map((flow) => rowOf(flow, wayName));
  const more = flows.length - shown.length;
  return el(
    'div',
    {},
    el(
      'div',
      { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'flow table' },
      table('Flows', COLUMNS, shown),
    ),
    more > 0 ? el('p', {}, `${more} more are not shown.`) : undefined,
  );
}
