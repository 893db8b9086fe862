/**
 * A pattern as a program, and its search through a text in time that is bounded.
 *
 * The search goes back when a way fails, as JavaScript's does, but never goes a second time from
 * the same instruction at the same character: the time is at most instructions times characters,
 * whatever the pattern and the text. Which match is found is the same, the leftmost and of these the
 * first in the order of the pattern (Perl, Go).
 *
 * Spec  RE2, bitstate.cc; Russ Cox, "Regular Expression Matching: the Virtual Machine Approach"
 */
import { DataplaneError } from '../../errors.js';
import type { Node, Place, Range } from './regexp-syntax.js';

/** Instructions of one pattern: repetitions with numbers are written out. */
const PROGRAM_MAX = 20_000;

type Instruction =
  | { readonly op: 'char'; readonly ranges: readonly Range[]; readonly isNegated: boolean }
  | { readonly op: 'place'; readonly place: Place }
  | { readonly op: 'save'; readonly slot: number }
  /** Go on at `first`; if that fails, at `second`. */
  | { readonly op: 'split'; first: number; second: number }
  | { readonly op: 'jump'; to: number }
  | { readonly op: 'match' };

export type Program = readonly Instruction[];

function emit(program: Instruction[], instruction: Instruction): number {
  if (program.length === PROGRAM_MAX) {
    throw new DataplaneError('ERR_CONFIG', 'the pattern is too large with its repetitions');
  }
  return program.push(instruction) - 1;
}

/** A split whose body comes next; @returns what closes it once its body is written */
function emitSplit(program: Instruction[], isLazy: boolean): () => void {
  const split: Instruction = { op: 'split', first: 0, second: 0 };
  const body = emit(program, split) + 1;
  return () => {
    split.first = isLazy ? program.length : body;
    split.second = isLazy ? body : program.length;
  };
}

function emitRepeat(program: Instruction[], node: Extract<Node, { kind: 'repeat' }>): void {
  const { body, min, max, isLazy } = node;
  for (let i = 0; i < min; i++) emitNode(program, body);
  if (max === Infinity) {
    const start = program.length;
    const close = emitSplit(program, isLazy);
    emitNode(program, body);
    emit(program, { op: 'jump', to: start });
    close();
    return;
  }
  const closes = Array.from({ length: max - min }, () => {
    const close = emitSplit(program, isLazy);
    emitNode(program, body);
    return close;
  });
  for (const close of closes) close();
}

function emitEither(program: Instruction[], choices: readonly Node[]): void {
  const jumps: { to: number }[] = [];
  choices.forEach((choice, i) => {
    const isLast = i === choices.length - 1;
    const close = isLast ? undefined : emitSplit(program, false);
    emitNode(program, choice);
    if (close === undefined) return;
    const jump: Instruction = { op: 'jump', to: 0 };
    emit(program, jump);
    jumps.push(jump);
    close();
  });
  for (const jump of jumps) jump.to = program.length;
}

function emitNode(program: Instruction[], node: Node): void {
  switch (node.kind) {
    case 'chars':
      emit(program, { op: 'char', ranges: node.ranges, isNegated: node.isNegated });
      break;
    case 'place':
      emit(program, { op: 'place', place: node.place });
      break;
    case 'group':
      emit(program, { op: 'save', slot: node.index * 2 });
      emitNode(program, node.body);
      emit(program, { op: 'save', slot: node.index * 2 + 1 });
      break;
    case 'all':
      for (const part of node.parts) emitNode(program, part);
      break;
    case 'either':
      emitEither(program, node.choices);
      break;
    case 'repeat':
      emitRepeat(program, node);
      break;
  }
}

/** @throws DataplaneError ERR_CONFIG  more than PROGRAM_MAX instructions */
export function compileProgram(root: Node): Program {
  const program: Instruction[] = [];
  emitNode(program, { kind: 'group', index: 0, body: root });
  emit(program, { op: 'match' });
  return program;
}

function isWord(text: string, at: number): boolean {
  return /^\w$/.test(text.charAt(at));
}

function holds(place: Place, text: string, at: number): boolean {
  switch (place) {
    case 'start':
      return at === 0;
    case 'end':
      return at === text.length;
    case 'line-start':
      return at === 0 || text[at - 1] === '\n';
    case 'line-end':
      return at === text.length || text[at] === '\n';
    case 'word-edge':
      return isWord(text, at - 1) !== isWord(text, at);
    case 'no-word-edge':
      return isWord(text, at - 1) === isWord(text, at);
  }
}

function isIn(code: number, ranges: readonly Range[]): boolean {
  for (const [low, high] of ranges) if (code >= low && code <= high) return true;
  return false;
}

/** What is left to try: an instruction at a character, or a slot to put back (`at` is its value). */
interface Job {
  readonly pc: number;
  readonly at: number;
  readonly restoreSlot: number;
}

/** One search. */
class Search {
  readonly #visited: Uint32Array;
  readonly #program: Program;
  readonly #text: string;
  readonly slots: number[];

  constructor(program: Program, text: string, slotCount: number) {
    this.#program = program;
    this.#text = text;
    this.#visited = new Uint32Array(((program.length * (text.length + 1)) >> 5) + 1);
    this.slots = new Array<number>(slotCount).fill(-1);
  }

  /** Whether there is a match that starts at a character. */
  from(start: number): boolean {
    const jobs: Job[] = [{ pc: 0, at: start, restoreSlot: -1 }];
    for (let job = jobs.pop(); job !== undefined; job = jobs.pop()) {
      if (job.restoreSlot >= 0) this.slots[job.restoreSlot] = job.at;
      else if (this.#follow(job, jobs)) return true;
    }
    return false;
  }

  #isFirstVisit(pc: number, at: number): boolean {
    const bit = pc * (this.#text.length + 1) + at;
    const mask = 1 << (bit & 31);
    const word = this.#visited[bit >>> 5] ?? 0;
    this.#visited[bit >>> 5] = word | mask;
    return (word & mask) === 0;
  }

  /** Follow one way to its end; what it passes by is put among the jobs. */
  #follow({ pc, at }: Job, jobs: Job[]): boolean {
    while (this.#isFirstVisit(pc, at)) {
      const instruction = this.#program[pc];
      switch (instruction?.op) {
        case 'char':
          if (at === this.#text.length) return false;
          if (isIn(this.#text.charCodeAt(at), instruction.ranges) === instruction.isNegated) {
            return false;
          }
          at++;
          pc++;
          break;
        case 'place':
          if (!holds(instruction.place, this.#text, at)) return false;
          pc++;
          break;
        case 'save':
          jobs.push({ pc, at: this.slots[instruction.slot] ?? -1, restoreSlot: instruction.slot });
          this.slots[instruction.slot] = at;
          pc++;
          break;
        case 'split':
          jobs.push({ pc: instruction.second, at, restoreSlot: -1 });
          pc = instruction.first;
          break;
        case 'jump':
          pc = instruction.to;
          break;
        default:
          return true;
      }
    }
    return false;
  }
}

/** @returns where each group starts and ends, -1 for one that took no part */
export function searchProgram(
  program: Program,
  text: string,
  groupCount: number,
): readonly number[] | undefined {
  const search = new Search(program, text, (groupCount + 1) * 2);
  for (let start = 0; start <= text.length; start++) {
    if (search.from(start)) return search.slots;
  }
  return undefined;
}
