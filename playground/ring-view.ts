/** The ring of a service as a picture, with its shares in words. */
import type { ExplainedService } from '../src/compile/explain.js';
import type { Core } from '../src/core/core.js';
import { el, svg } from './dom.js';
import { ringOf, sharesOf, without } from './ring.js';
import type { Departure, Ring } from './ring.js';

const OUTER = { from: 78, to: 98 };
const INNER = { from: 54, to: 74 };
const MOVED = { from: 47, to: 51 };
const CENTRE = 100;
/** Colours of members, in style.css; more members than that begin again. */
const COLOURS = 8;

interface Band {
  readonly from: number;
  readonly to: number;
}

/** The slice of a band that one slot has, as a path. */
function slice(slot: number, of: number, { from, to }: Band): string {
  const point = (turn: number, radius: number): string => {
    const angle = 2 * Math.PI * turn - Math.PI / 2;
    const x = CENTRE + radius * Math.cos(angle);
    const y = CENTRE + radius * Math.sin(angle);
    return `${x.toFixed(2)} ${y.toFixed(2)}`;
  };
  // A whole circle would begin where it ends.
  const begin = slot / of;
  const end = of === 1 ? 0.9999 : (slot + 1) / of;
  const large = end - begin > 0.5 ? 1 : 0;
  return (
    `M${point(begin, from)}L${point(begin, to)}` +
    `A${to} ${to} 0 ${large} 1 ${point(end, to)}` +
    `L${point(end, from)}A${from} ${from} 0 ${large} 0 ${point(begin, from)}Z`
  );
}

/** One path for each member. */
function bandOf(slots: Uint16Array, members: number, band: Band): SVGPathElement[] {
  return Array.from({ length: members }, (_, place) => {
    const parts = [...slots].flatMap((owner, slot) =>
      owner === place ? [slice(slot, slots.length, band)] : [],
    );
    return svg('path', { class: `member m${place % COLOURS}`, d: parts.join('') });
  });
}

function movedOf(ring: Ring, departure: Departure): SVGPathElement {
  const parts = [...ring.slots].flatMap((owner, slot) =>
    departure.slots[slot] === owner ? [] : [slice(slot, ring.slots.length, MOVED)],
  );
  return svg('path', { class: 'moved', d: parts.join('') });
}

function legend(ring: Ring, gone: number | undefined): HTMLElement {
  const shares = sharesOf(ring);
  const items = ring.members.map(({ endpoint }, place) => {
    const share = shares[place] ?? 0;
    const percent = ((100 * share) / ring.slots.length).toFixed(1);
    return el(
      'li',
      place === gone ? { class: 'gone' } : {},
      el('span', { class: `swatch m${place % COLOURS}`, 'aria-hidden': 'true' }),
      el('code', {}, endpoint),
      ` ${plural(share, 'slot')}, ${percent} %`,
    );
  });
  return el('ul', { class: 'legend' }, ...items);
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** What the picture says. */
function summary(ring: Ring, service: ExplainedService, departure: Departure | undefined): string {
  const slots = plural(ring.slots.length, 'slot');
  const chooses = service.algorithm === 'random' ? 'at random' : 'in turn';
  if (ring.members.length === 1) return `${service.key} has one endpoint, which has all new flows.`;
  const way = ring.isUsed
    ? `New flows of ${service.key} are led by these ${slots}.`
    : `${service.key} chooses ${chooses}; with sluice.dev/lb-algorithm: maglev these ${slots} would lead its flows.`;
  if (departure === undefined) return way;
  const { orphaned, disturbed } = departure;
  const percent = ((100 * disturbed) / Math.max(1, ring.slots.length)).toFixed(1);
  return `${way} Without the endpoint its ${plural(orphaned, 'slot')} move, and ${disturbed} of others (${percent} %).`;
}

export interface RingChoice {
  readonly service: ExplainedService;
  /** `ip:port` of the endpoint that goes; empty: none does. */
  readonly gone: string;
}

/** @returns undefined for a service without endpoints */
export function ringView(core: Core, { service, gone }: RingChoice): HTMLElement | undefined {
  const ring = ringOf(core, service);
  if (ring === undefined) return undefined;
  const place = ring.members.findIndex(({ endpoint }) => endpoint === gone);
  const departure = place < 0 || ring.members.length < 2 ? undefined : without(core, ring, place);
  const text = summary(ring, service, departure);
  const picture = svg(
    'svg',
    { viewBox: '0 0 200 200', class: 'ring', role: 'img', 'aria-label': text },
    ...bandOf(ring.slots, ring.members.length, OUTER),
    ...(departure ? bandOf(departure.slots, ring.members.length, INNER) : []),
    departure ? movedOf(ring, departure) : undefined,
  );
  const key = departure
    ? 'Outside: now. Inside: without the endpoint. Innermost: slots that move.'
    : undefined;
  return el(
    'div',
    { class: 'ring-box' },
    picture,
    el(
      'div',
      {},
      el('p', { id: 'ring-summary' }, text),
      key === undefined ? undefined : el('p', { class: 'quiet' }, key),
      legend(ring, departure ? place : undefined),
    ),
  );
}
