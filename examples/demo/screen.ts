/**
 * Lines that stay and a block beneath them that changes. On a terminal the block is drawn again
 * in place, only those of its lines that are different; elsewhere it is printed when asked for.
 */
const CSI = '\x1b[';
const CLEAR_LINE = `${CSI}K`;
const CLEAR_BELOW = `${CSI}J`;
const HIDE_CURSOR = `${CSI}?25l`;
const SHOW_CURSOR = `${CSI}?25h`;
/** No colours and no attributes, please: https://no-color.org */
const isPlain = (process.env['NO_COLOR'] ?? '') !== '';

export type Paint = 'green' | 'red' | 'dim' | 'bold';
const CODE: Readonly<Record<Paint, number>> = { green: 32, red: 31, dim: 2, bold: 1 };

export interface Screen {
  /** A line that stays. */
  say(line: string): void;
  /** The block from now on. */
  draw(block: readonly string[]): void;
  /** The block as lines that stay, where it is not drawn all the time. */
  print(block: readonly string[]): void;
  paint(paint: Paint, text: string): string;
  /** Leave the terminal as it was; the block stays as it is. */
  close(): void;
}

/** Part of a line that fits, escape sequences not counted. */
function fit(line: string, columns: number): string {
  let left = columns;
  return line.replace(/\x1b\[[\d;]*m|[^]/gu, (part) => {
    if (part.startsWith(CSI)) return part;
    left--;
    return left >= 0 ? part : '';
  });
}

function createPlain(out: NodeJS.WriteStream): Screen {
  const say = (line: string): void => void out.write(`${line}\n`);
  return {
    say,
    draw: () => undefined,
    print: (block) => {
      block.forEach(say);
    },
    paint: (_, text) => text,
    close: () => undefined,
  };
}

function createTerminal(out: NodeJS.WriteStream): Screen {
  /** Lines on the terminal; the cursor is at the beginning of the line below them. */
  let drawn: string[] = [];
  let isHidden = false;

  const redraw = (block: readonly string[]): void => {
    const { columns, rows } = out;
    const lines = block.slice(0, Math.max(0, rows - 1)).map((line) => fit(line, columns - 1));
    const same = lines.length === drawn.length;
    let text = drawn.length > 0 ? `${CSI}${drawn.length}A` : '';
    if (!same) text += CLEAR_BELOW;
    lines.forEach((line, i) => {
      const isOld = same && drawn[i] === line;
      text += isOld ? '\n' : `${line}${CLEAR_LINE}\n`;
    });
    if (!isHidden) text = HIDE_CURSOR + text;
    isHidden = true;
    drawn = lines;
    out.write(text);
  };

  return {
    say: (line) => {
      const block = drawn;
      const up = block.length > 0 ? `${CSI}${block.length}A${CLEAR_BELOW}` : '';
      out.write(`${up}${line}\n`);
      drawn = [];
      if (block.length > 0) redraw(block);
    },
    draw: redraw,
    print: () => undefined,
    paint: (paint, text) => (isPlain ? text : `${CSI}${CODE[paint]}m${text}${CSI}0m`),
    close: () => {
      if (isHidden) out.write(SHOW_CURSOR);
      isHidden = false;
      drawn = [];
    },
  };
}

export function createScreen(out: NodeJS.WriteStream): Screen {
  return out.isTTY ? createTerminal(out) : createPlain(out);
}
