/** The page: reads what is chosen, asks for a scene, and shows it. */
import { config } from 'zod';
import { ABI_VERSION, Action, Verdict } from '../assembly/abi.js';
import type { Flow } from '../src/ops/flow-rows.js';
import type { Explanation } from '../src/compile/explain.js';
import { DataplaneError, messageOf } from '../src/errors.js';
import type { CapturedFrame } from '../src/port/captured-frame.js';
import { readCapture } from '../src/port/capture.js';
import { byId, el } from './dom.js';
import { dropView } from './drop-view.js';
import { createEditor } from './editor.js';
import { flowView } from './flow-view.js';
import { createFrameTable } from './frame-table.js';
import { frameView } from './frame-view.js';
import { frameWords } from './frame-words.js';
import type { FrameWords } from './frame-words.js';
import { createMeter } from './meter.js';
import { ringView } from './ring-view.js';
import { checkSettings, createScene, liveFlows, readCluster } from './scene.js';
import type { Scene, Settings } from './scene.js';

/** What scripts/build-playground.ts puts beside the page. */
const CAPTURES: readonly (readonly [file: string, name: string])[] = [
  ['service', 'Services: connections, refusals, fragments'],
  ['masquerade', 'Masquerade: to the world, hairpin, node port'],
  ['dns', 'DNS: questions the node answers itself'],
  ['malformed', 'Malformed: one frame for each complaint'],
];
const OWN = 'own';
const RANGES = '10.96.0.0/16, fd00:10:96::/112';
/** Frames of a capture that are decided; what comes behind is not looked at. */
const FRAMES_MAX = 20_000;

// Schemas are compiled by no eval: the page forbids it.
config({ jitless: true });

async function read(path: string): Promise<Response> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
  return response;
}

const readJson = async (path: string): Promise<unknown> => (await read(path)).json();

function say(element: HTMLElement, text: string | undefined): void {
  element.hidden = text === undefined;
  element.textContent = text ?? '';
}

function choose(select: HTMLSelectElement, names: readonly string[], chosen: string): void {
  const before = [...select.options].map(({ value }) => value);
  if (before.join('\n') !== names.join('\n')) {
    select.replaceChildren(...names.map((name) => el('option', { value: name }, name)));
  }
  select.value = chosen;
}

interface Capture {
  readonly name: string;
  readonly frames: readonly CapturedFrame[];
}

function readFrames(bytes: Uint8Array, name: string): Capture {
  const frames: CapturedFrame[] = [];
  for (const frame of readCapture(bytes, name)) {
    if (frames.length === FRAMES_MAX) break;
    frames.push(frame);
  }
  return { name, frames };
}

const parts = {
  capture: byId('capture', HTMLSelectElement),
  file: byId('file', HTMLInputElement),
  node: byId('node', HTMLSelectElement),
  ranges: byId('ranges', HTMLInputElement),
  problem: byId('problem', HTMLElement),
  error: byId('cluster-error', HTMLElement),
  sentence: byId('cluster-sentence', HTMLElement),
  goTo: byId('go-to-line', HTMLButtonElement),
  status: byId('cluster-status', HTMLElement),
  notes: byId('cluster-notes', HTMLElement),
  totals: byId('totals', HTMLElement),
  filter: byId('filter', HTMLInputElement),
  frame: byId('frame', HTMLElement),
  frameTitle: byId('frame-title', HTMLElement),
  flows: byId('flows', HTMLElement),
  drops: byId('drops', HTMLElement),
  ring: byId('ring', HTMLElement),
  ringService: byId('ring-service', HTMLSelectElement),
  ringGone: byId('ring-gone', HTMLSelectElement),
};

function totalsOf({ frames }: Scene): string {
  const counts = new Map<string, number>();
  for (const { played } of frames) {
    const name = Verdict[played.left.verdict];
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const said = [...counts].map(([name, count]) => `${count} ${name}`).join(', ');
  return `${frames.length} frames: ${said}`;
}

/** What a filter looks in. */
function textOf({ from, to, protocol, verdict, way, changed }: FrameWords): string {
  return [from, to, protocol, verdict, way, changed].join(' ').toLowerCase();
}

function wayName({ world }: Scene, flow: Flow): string {
  const link = world.links.find(({ ifindex }) => ifindex === flow.outIfindex);
  return flow.action === Action[Action.POD] && link?.pod !== undefined
    ? `${flow.action} ${link.pod}`
    : flow.action;
}

function start(
  module: WebAssembly.Module,
  example: string,
  sentences: Readonly<Record<string, string>>,
): void {
  let capture: Capture = { name: '', frames: [] };
  let scene: Scene | undefined;
  let explained: Explanation | undefined;
  let words: readonly FrameWords[] = [];
  /** Number of the frame that is shown. */
  let selected = 1;
  let badLine = 1;

  const showFrame = (number: number): void => {
    selected = number;
    const frame = scene?.frames[number - 1];
    if (scene === undefined || explained === undefined || frame === undefined) return;
    parts.frameTitle.textContent = `Frame ${frame.number}`;
    parts.frame.replaceChildren(frameView({ scene, frame, explained, sentences }));
  };
  const frameTable = createFrameTable({
    body: byId('frame-rows', HTMLTableSectionElement),
    pager: byId('pager', HTMLElement),
    selected: showFrame,
  });

  const showFrames = (): void => {
    const wanted = parts.filter.value.toLowerCase().trim();
    const shown = words.filter((each) => textOf(each).includes(wanted));
    frameTable.show(shown, selected);
    if (shown.length > 0) return;
    parts.frameTitle.textContent = 'Frame';
    parts.frame.replaceChildren(el('p', {}, 'No frame of this capture is like that.'));
  };

  const showRing = (): void => {
    const service = explained?.services.find(
      ({ frontend }) => frontend === parts.ringService.value,
    );
    if (scene === undefined || service === undefined) return;
    const endpoints = service.sets.cluster.endpoints;
    choose(
      parts.ringGone,
      ['none', ...endpoints],
      endpoints.includes(parts.ringGone.value) ? parts.ringGone.value : 'none',
    );
    const picture = ringView(scene.world.core, { service, gone: parts.ringGone.value });
    parts.ring.replaceChildren(picture ?? el('p', {}, `${service.key} has no endpoints.`));
  };
  const offerRings = (): void => {
    const services = explained?.services ?? [];
    const isKnown = services.some(({ frontend }) => frontend === parts.ringService.value);
    const best = services.find(({ maglevSize }) => maglevSize > 1) ?? services[0];
    const chosen = isKnown ? parts.ringService.value : (best?.frontend ?? '');
    parts.ringService.replaceChildren(
      ...services.map(({ key, frontend }) =>
        el('option', { value: frontend }, `${key} ${frontend}`),
      ),
    );
    parts.ringService.value = chosen;
    showRing();
  };

  const show = (next: Scene, ms: number): void => {
    scene = next;
    explained = next.control.explain();
    choose(parts.node, next.nodes.length > 0 ? next.nodes : [next.nodeName], next.nodeName);
    parts.notes.replaceChildren(...next.notes.map((note) => el('li', {}, note)));
    const frontends = explained.services.reduce(
      (sum, service) => sum + service.frontends.length,
      0,
    );
    parts.status.textContent = `Compiled and decided in ${ms.toFixed(1)} ms: ${frontends} frontends, ${next.names} names.`;
    parts.totals.textContent = totalsOf(next);
    const startNs = next.frames[0]?.captured.timeNs ?? 0n;
    words = next.frames.map((frame) => frameWords(next.world, frame, startNs));
    showFrames();
    parts.flows.replaceChildren(flowView(liveFlows(next), (flow) => wayName(next, flow)));
    parts.drops.replaceChildren(dropView(next.frames, sentences));
    offerRings();
  };

  const decide = (): void => {
    const settings: Settings = { nodeName: parts.node.value, serviceCIDRs: parts.ranges.value };
    const complaint = checkSettings(settings);
    say(parts.problem, complaint);
    const begin = performance.now();
    const events = readCluster(editor.text());
    const isBad = 'sentence' in events;
    parts.error.hidden = !isBad;
    editor.mark(isBad ? events.line : undefined);
    if (isBad) {
      badLine = events.line;
      parts.sentence.textContent = `${events.sentence} The configuration before goes on. `;
    }
    if (isBad || complaint !== undefined) return;
    try {
      const next = createScene(module, events, settings, capture.frames);
      show(next, performance.now() - begin);
    } catch (error) {
      // What the objects say may be too much for the tables; a bug has no words for people.
      if (!(error instanceof DataplaneError)) throw error;
      say(parts.problem, `${error.message}.`);
    }
  };

  const editor = createEditor({
    area: byId('yaml', HTMLTextAreaElement),
    gutter: byId('gutter', HTMLElement),
    changed: decide,
  });
  const take = (next: Capture): void => {
    capture = next;
    selected = 1;
    decide();
  };
  const attempt = (what: Promise<void>): void => {
    what.catch((error: unknown) => say(parts.problem, `${messageOf(error)}.`));
  };
  const takeBundled = async (name: string): Promise<void> => {
    const bytes = new Uint8Array(await (await read(`captures/${name}.pcap`)).arrayBuffer());
    take(readFrames(bytes, `${name}.pcap`));
  };
  const takeFile = async (file: File): Promise<void> => {
    const next = readFrames(new Uint8Array(await file.arrayBuffer()), file.name);
    const known = parts.capture.querySelector(`option[value=${OWN}]`);
    const option = known ?? parts.capture.appendChild(el('option', { value: OWN }));
    option.textContent = file.name;
    parts.capture.value = OWN;
    own = next;
    take(next);
  };
  let own: Capture | undefined;

  parts.capture.replaceChildren(
    ...CAPTURES.map(([file, name]) => el('option', { value: file }, name)),
  );
  parts.capture.addEventListener('change', () => {
    const { value } = parts.capture;
    if (value === OWN && own) take(own);
    else attempt(takeBundled(value));
  });
  parts.file.addEventListener('change', () => {
    const [file] = parts.file.files ?? [];
    if (file) attempt(takeFile(file));
  });
  byId('choices', HTMLFormElement).addEventListener('submit', (event) => event.preventDefault());
  parts.filter.addEventListener('input', showFrames);
  parts.node.addEventListener('change', decide);
  parts.ranges.value = RANGES;
  parts.ranges.addEventListener('change', decide);
  parts.ringService.addEventListener('change', showRing);
  parts.ringGone.addEventListener('change', showRing);
  parts.goTo.addEventListener('click', () => editor.goTo(badLine));
  byId('reset', HTMLButtonElement).addEventListener('click', () => {
    editor.setText(example);
    decide();
  });
  acceptDrops((file) => attempt(takeFile(file)));
  editor.setText(example);
  attempt(takeBundled(CAPTURES[0]?.[0] ?? ''));
}

/** A file may be dropped anywhere on the page. */
function acceptDrops(dropped: (file: File) => void): void {
  const target = byId('drop-target', HTMLElement);
  addEventListener('dragover', (event) => {
    if (event.dataTransfer?.types.includes('Files') !== true) return;
    event.preventDefault();
    target.hidden = false;
  });
  addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) target.hidden = true;
  });
  addEventListener('drop', (event) => {
    target.hidden = true;
    const [file] = event.dataTransfer?.files ?? [];
    if (!file) return;
    event.preventDefault();
    dropped(file);
  });
}

async function open(): Promise<void> {
  const [wasm, example, sentences] = await Promise.all([
    read('core.wasm').then((response) => response.arrayBuffer()),
    read('cluster.yaml').then((response) => response.text()),
    readJson('drops.json'),
  ]);
  const begin = performance.now();
  const module = await WebAssembly.compile(wasm);
  const ms = (performance.now() - begin).toFixed(0);
  const size = Math.round(wasm.byteLength / 1024);
  byId('module-facts', HTMLElement).textContent =
    `${size} KiB, ABI ${ABI_VERSION}, compiled in ${ms} ms.`;
  createMeter({
    button: byId('meter', HTMLButtonElement),
    packets: byId('meter-packets', HTMLElement),
    answers: byId('meter-answers', HTMLElement),
    status: byId('meter-status', HTMLElement),
    module,
    worker: new URL('meter-worker.js', import.meta.url),
    readJson,
  });
  start(module, example, sentences as Readonly<Record<string, string>>);
}

open().catch((error: unknown) =>
  say(parts.problem, `The playground cannot start: ${messageOf(error)}.`),
);
