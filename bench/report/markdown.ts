/** The report as Markdown: what one pastes into an issue. */
import { doubtsOf, headlinesOf, modelOf, OURS } from './model.js';
import type { Layer, Subject, SweepModel } from './model.js';
import { byteSize, inWords, shortNumber, threeDigits } from './numbers.js';
import type { Run } from './run-file.js';

/** Text that begins no column and no tag. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ');
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function subjectRows(subject: Subject): string[] {
  const { name, unit, better, value, rivals } = subject;
  const ours = `${threeDigits(value)} ${cell(unit)}`;
  if (rivals.length === 0) return [row([`\`${name}\``, ours, '', '', '', percent(subject.spread)])];
  return rivals.map((rival, i) =>
    row([
      i === 0 ? `\`${name}\`` : '',
      i === 0 ? ours : '',
      cell(rival.label),
      threeDigits(rival.theirs),
      inWords(rival.ratio, rival.spread, better),
      percent(rival.spread),
    ]),
  );
}

function layerText({ name, subjects }: Layer): string[] {
  const head = ['what', OURS, 'rival', 'its median', `${OURS} is`, 'spread'];
  const rule = ['---', '--:', '---', '--:', '---', '--:'];
  return [`## ${name}`, '', row(head), row(rule), ...subjects.flatMap(subjectRows), ''];
}

/** One line a place, one column a curve; what was left out is empty. */
function sweepText({ name, axis, unit, curves, subjects }: SweepModel): string[] {
  const places = subjects.flatMap(({ at }) => (at ? [at.x] : []));
  const lines = places.map((x) => {
    const values = curves.map(({ points }) => points.find((point) => point.x === x)?.value);
    return row([
      shortNumber(x),
      ...values.map((value) => (value === undefined ? '' : threeDigits(value))),
    ]);
  });
  const head = [cell(axis), ...curves.map(({ label }) => cell(label))];
  const rule = head.map(() => '--:');
  return [`### \`${name}\`, ${unit}`, '', row(head), row(rule), ...lines, ''];
}

/** The summary as text. */
export function markdownReport(run: Run): string {
  const { machine, head } = run;
  const model = modelOf(run);
  const { layers, sweeps, skipped, failed } = model;
  const caches = machine.caches.map(({ level, bytes }) => `${level} ${byteSize(bytes)}`).join(', ');
  const left = [
    ...failed.map((line) => ['failed', line] as const),
    ...skipped.map((line) => ['skipped', line] as const),
  ];
  return [
    '# Benchmarks',
    '',
    `${cell(machine.cpu)}, ${machine.cores} cores (governor ${machine.governor}), ${caches}, ${machine.memoryGib} GiB; Linux ${machine.kernel}; Node ${machine.node}, asc ${machine.asc}, ${cell(machine.gcc)}; commit ${machine.commit}, ${head.date}; \`${head.command}\`.`,
    '',
    ...doubtsOf(run).flatMap((doubt) => [`**${doubt}**`, '']),
    ...headlinesOf(model).flatMap((line) => [cell(line), '']),
    'Medians; "spread" is the middle half of the ratios, pair by pair. How to read it, and what makes a number wrong: `bench/README.md`.',
    '',
    ...layers.flatMap(layerText),
    ...(sweeps.length > 0 ? ['## Sweeps', '', ...sweeps.flatMap(sweepText)] : []),
    ...(left.length > 0 ? ['## Not in this report', ''] : []),
    ...left.map(([what, { name, reason }]) => `- \`${name}\` ${what}: ${cell(reason)}`),
    ...(left.length > 0 ? [''] : []),
  ].join('\n');
}
