/** The report as one page that needs nothing else: no script, no font, no request. */
import { escapeHtml } from './escape.js';
import { doubtsOf, headlinesOf, modelOf, OURS } from './model.js';
import type { Layer, Model, Subject, SweepModel } from './model.js';
import { byteSize, inWords, isUndecided, threeDigits, timesBetter } from './numbers.js';
import { cacheMarks, seriesClass, sweepPlot } from './plot.js';
import { ratioPlot } from './ratio-plot.js';
import type { Run } from './run-file.js';
import { STYLE } from './style.js';
import { ABOUT_SWEEPS, HOW_TO_READ } from './words.js';

const BAR_WIDTH = 176;
/** The longest bar ends here: its whisker needs room. */
const BAR_MAX = 150;

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** A bar from 0, linear, with a whisker from the first to the third quartile. */
function bar(
  kind: string,
  value: number,
  range: readonly [number, number],
  longest: number,
): string {
  const scale = (n: number): string => Math.min((n / longest) * BAR_MAX, BAR_WIDTH).toFixed(1);
  const [low, high] = [scale(range[0]), scale(range[1])];
  return `<svg class="bar" aria-hidden="true" viewBox="0 0 ${BAR_WIDTH} 14"><rect class="bar ${kind}" x="0" y="3" width="${Math.max(Number(scale(value)), 1)}" height="8"/><line x1="${low}" x2="${high}" y1="7" y2="7"/><line x1="${low}" x2="${low}" y1="4" y2="10"/><line x1="${high}" x2="${high}" y1="4" y2="10"/></svg>`;
}

/** The rows of one subject: ours, then each rival. */
function subjectRows(subject: Subject): string {
  const { name, unit, better, value, range, rivals } = subject;
  const longest = Math.max(value, ...rivals.map((rival) => rival.theirs));
  const spread = rivals.length === 0 ? percent(subject.spread) : '';
  const first = `<tr class="first"><td class="name">${escapeHtml(name)}</td><td>${OURS}</td><td class="n">${threeDigits(value)}</td><td>${escapeHtml(unit)}</td><td></td><td class="n">${spread}</td><td>${bar('s-ours', value, range, longest)}</td></tr>`;
  const others = rivals.map((rival) => {
    const times = timesBetter(rival.ratio, better);
    const kind = isUndecided(rival.ratio, rival.spread) ? 'even' : times >= 1 ? 'better' : 'worse';
    return `<tr><td></td><td title="${escapeHtml(rival.against)}">${escapeHtml(rival.label)}</td><td class="n">${threeDigits(rival.theirs)}</td><td></td><td class="${kind}">${inWords(rival.ratio, rival.spread, better)}</td><td class="n">${percent(rival.spread)}</td><td>${bar(seriesClass(rival.label, 1), rival.theirs, rival.theirRange, longest)}</td></tr>`;
  });
  return first + others.join('');
}

function table(subjects: readonly Subject[]): string {
  return `<div class="scroll"><table><thead><tr><th>what</th><th>who</th><th class="n">median</th><th></th><th>${OURS} is</th><th class="n">spread</th><th>median, middle half</th></tr></thead><tbody>${subjects.map(subjectRows).join('')}</tbody></table></div>`;
}

/** Rivals by their colours. */
function rivalList(subjects: readonly Subject[]): string {
  const labels = new Map<string, Set<string>>();
  for (const { label } of subjects.flatMap((subject) => subject.rivals)) {
    const kind = seriesClass(label, 1);
    labels.set(kind, (labels.get(kind) ?? new Set()).add(label));
  }
  const items = [...labels].map(
    ([kind, names]) =>
      `<li class="${kind}"><i></i>against ${escapeHtml([...names].join(', '))}</li>`,
  );
  return `<ul class="legend">${items.join('')}<li>hollow: no difference shown</li></ul>`;
}

function anchor(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}

function layerSection({ name, subjects }: Layer): string {
  const plot = ratioPlot(name, subjects);
  const legend = plot === '' ? '' : rivalList(subjects);
  return `<section id="${anchor(name)}"><h2>${escapeHtml(name)}</h2>${legend}<div class="scroll">${plot}</div>${table(subjects)}</section>`;
}

function sweepFigure(sweep: SweepModel, run: Run): string {
  const about = ABOUT_SWEEPS[sweep.name] ?? '';
  const plot = sweepPlot(sweep, cacheMarks(sweep, run.machine.caches));
  return `<section id="${anchor(sweep.name)}"><h3>${escapeHtml(sweep.name)}</h3><p class="soft">${escapeHtml(about)}</p><div class="scroll">${plot}</div><details><summary>The numbers</summary>${table(sweep.subjects)}</details></section>`;
}

function sweepSection({ sweeps }: Model, run: Run): string {
  if (sweeps.length === 0) return '';
  const figures = sweeps.map((sweep) => sweepFigure(sweep, run)).join('');
  return `<section id="sweeps"><h2>Sweeps: how cost grows</h2><p>Both axes are logarithmic: a straight line that climbs is a power of the size, a flat one is no growth at all. Dashed lines are where what the look-ups touch no longer fits in a cache of this machine. Whiskers span the middle half of the samples; point at a sign for its numbers.</p>${figures}</section>`;
}

function leftOut({ skipped, failed }: Model): string {
  const list = (lines: readonly { readonly name: string; readonly reason: string }[]): string =>
    `<ul>${lines.map(({ name, reason }) => `<li><code>${escapeHtml(name)}</code>: ${escapeHtml(reason)}</li>`).join('')}</ul>`;
  const broken = failed.length === 0 ? '' : `<p><strong>Failed</strong></p>${list(failed)}`;
  const absent = skipped.length === 0 ? '' : `<p>Could not run here</p>${list(skipped)}`;
  return broken + absent === ''
    ? ''
    : `<section id="left-out"><h2>Not in this report</h2>${broken}${absent}</section>`;
}

function facts({ machine, head }: Run): string {
  const caches = machine.caches.map(({ level, bytes }) => `${level} ${byteSize(bytes)}`).join(', ');
  const rows: readonly (readonly [string, string])[] = [
    ['Processor', `${machine.cpu}, ${machine.cores} cores, governor ${machine.governor}`],
    ['Caches', caches === '' ? 'not told by the kernel' : caches],
    ['Memory', `${machine.memoryGib} GiB`],
    ['Kernel', `Linux ${machine.kernel}`],
    [
      'Versions',
      `Node ${machine.node.replace('v', '')}, AssemblyScript ${machine.asc}, ${machine.gcc}`,
    ],
    ['Commit', machine.commit],
    ['Date', head.date],
    ['Load before', String(head.load)],
    [
      'Samples',
      `${head.samples} of each variant, taken in turn${head.quick ? ', short ones' : ''}`,
    ],
  ];
  const items = rows.map(([name, value]) => `<dt>${name}</dt><dd>${escapeHtml(value)}</dd>`);
  return `<dl class="facts">${items.join('')}</dl>`;
}

function reproduce({ machine, head }: Run): string {
  const commit = machine.commit.replace('-dirty', '');
  const commands = `git checkout ${commit}\n${head.command}`;
  return `<section id="reproduce"><h2>Do it again</h2><pre><code>${escapeHtml(commands)}</code></pre><p>The run itself lies beside this page as <code>run.jsonl</code>; <code>npm run bench -- --report-from run.jsonl --report DIR</code> makes the page again.</p></section>`;
}

function contents({ layers, sweeps }: Model): string {
  const entries = [
    ...layers.map(({ name }) => [anchor(name), name.split(':')[0] ?? name] as const),
    ...(sweeps.length > 0 ? [['sweeps', 'Sweeps'] as const] : []),
    ...([
      ['how-to-read', 'How to read it'],
      ['reproduce', 'Do it again'],
    ] as const),
  ];
  return `<nav>${entries.map(([id, name]) => `<a href="#${id}">${escapeHtml(name)}</a>`).join('')}</nav>`;
}

function howToRead(): string {
  return `<section id="how-to-read"><h2>How to read it</h2>${HOW_TO_READ.map((text) => `<p>${escapeHtml(text)}</p>`).join('')}</section>`;
}

/** The page as text. */
export function htmlReport(run: Run): string {
  const model = modelOf(run);
  const [core, rest] = [
    model.layers.filter(({ name }) => name.startsWith('Core')),
    model.layers.filter(({ name }) => !name.startsWith('Core')),
  ];
  const warnings = doubtsOf(run).map((doubt) => `<p class="warn">${escapeHtml(doubt)}</p>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sluice benchmarks, ${escapeHtml(run.machine.commit)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Sluice benchmarks</h1>
<p class="soft">What the packet path costs on one processor, beside the same algorithm in C, plain JavaScript, and packages that do the job.</p>
${warnings.join('\n')}
${headlinesOf(model)
  .map((line) => `<p>${escapeHtml(line)}</p>`)
  .join('\n')}
${facts(run)}
${contents(model)}
${core.map(layerSection).join('\n')}
${sweepSection(model, run)}
${rest.map(layerSection).join('\n')}
${leftOut(model)}
${howToRead()}
${reproduce(run)}
</main>
</body>
</html>
`;
}
