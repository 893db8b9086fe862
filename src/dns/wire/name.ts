/**
 * Names in wire form: labels with a length octet each, ended by the root label, not compressed.
 *
 * Labels are binary. A dot or a NUL inside a label is written `\.` and `\000` in text, so no two
 * names have one text and no name is taken for another. Names are compared as octets with ASCII
 * letters folded; text is for people and for configuration.
 *
 * Spec  RFC 1035 3.1, 5.1 (escapes); RFC 4343 (case); RFC 2181 11 (labels are binary)
 */
import { DataplaneError } from '../../errors.js';

/** Octets of a name, the root label included (RFC 1035 2.3.4). */
export const NAME_MAX = 255;
/** Octets of a label (RFC 1035 2.3.4). */
export const LABEL_MAX = 63;
/** Labels of one octet each, without the root, that fit into `NAME_MAX`. */
export const LABEL_COUNT_MAX = 127;

const DOT = 0x2e;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const DELETE = 0x7f;
/** What master files give a meaning to (RFC 1035 5.1) and dots. */
const SPECIAL = new Set(Array.from('."();@$\\', (char) => char.charCodeAt(0)));
const DECIMAL_ESCAPE = /^\d{3}/;

/** An octet with `A` to `Z` folded; all others, also those above 127, stay (RFC 4343 3). */
export function foldOctet(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet;
}

/** Whether an octet is an ASCII letter. */
export function isLetter(octet: number): boolean {
  const folded = foldOctet(octet);
  return folded >= 0x61 && folded <= 0x7a;
}

/** A copy with ASCII letters folded. Length octets are below 64 and stay. */
export function foldName(name: Uint8Array): Uint8Array {
  return name.map(foldOctet);
}

/** A text that is equal for two names that are equal (RFC 4343): a key for maps, not for people. */
export function nameKey(name: Uint8Array): string {
  return Buffer.from(foldName(name)).toString('latin1');
}

/** Whether two names are equal but for case. */
export function sameName(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (foldOctet(a[i] ?? 0) !== foldOctet(b[i] ?? 0)) return false;
  }
  return true;
}

/** Where each label starts, from the left, the root label included. */
export function labelOffsets(name: Uint8Array): number[] {
  const offsets: number[] = [];
  for (let at = 0; at < name.length; at += (name[at] ?? 0) + 1) offsets.push(at);
  return offsets;
}

/** Whether a name is `zone` or below it, by whole labels. */
export function isWithin(name: Uint8Array, zone: Uint8Array): boolean {
  const start = name.length - zone.length;
  return labelOffsets(name).includes(start) && sameName(name.subarray(start), zone);
}

function complaint(text: string, what: string): DataplaneError {
  return new DataplaneError('ERR_CONFIG', `${JSON.stringify(text)} is no domain name: ${what}`);
}

/** The octet an escape stands for, and how many characters it takes behind the backslash. */
function readEscape(text: string, at: number): { octet: number; length: number } {
  const digits = DECIMAL_ESCAPE.exec(text.slice(at))?.[0];
  if (digits !== undefined) {
    const octet = Number(digits);
    if (octet > 0xff) throw complaint(text, `\\${digits} is above \\255`);
    return { octet, length: digits.length };
  }
  const octet = text.charCodeAt(at);
  if (Number.isNaN(octet)) throw complaint(text, 'a backslash at its end escapes nothing');
  if (octet >= 0x30 && octet <= 0x39) throw complaint(text, 'expected three digits behind "\\"');
  return { octet, length: 1 };
}

/** Labels of a text without escapes resolved wrongly: a dot that is escaped ends no label. */
function splitLabels(text: string): number[][] {
  const labels: number[][] = [[]];
  for (let at = 0; at < text.length; at++) {
    let octet = text.charCodeAt(at);
    if (octet === DOT) {
      labels.push([]);
      continue;
    }
    if (octet === BACKSLASH) {
      const escape = readEscape(text, at + 1);
      octet = escape.octet;
      at += escape.length;
    }
    if (octet > DELETE && text.charCodeAt(at) > DELETE) {
      throw complaint(text, 'only ASCII is read; write other octets as \\DDD');
    }
    labels.at(-1)?.push(octet);
  }
  return labels;
}

/**
 * Read a name in presentation form. Names are absolute, with or without the dot at the end.
 *
 * @returns wire form, case kept
 * @throws  DataplaneError ERR_CONFIG  empty labels, labels above 63 or names above 255 octets
 */
export function parseName(text: string): Uint8Array {
  if (text === '') throw complaint(text, 'it is empty; the root is "."');
  if (text === '.') return Uint8Array.of(0);
  const labels = splitLabels(text);
  if (labels.at(-1)?.length === 0) labels.pop();
  for (const label of labels) {
    if (label.length === 0) throw complaint(text, 'it has an empty label');
    if (label.length > LABEL_MAX) throw complaint(text, `a label has over ${LABEL_MAX} octets`);
  }
  const name = Uint8Array.from([...labels.flatMap((label) => [label.length, ...label]), 0]);
  if (name.length > NAME_MAX) throw complaint(text, `it has over ${NAME_MAX} octets`);
  return name;
}

function formatOctet(octet: number): string {
  if (SPECIAL.has(octet)) return `\\${String.fromCharCode(octet)}`;
  if (octet > SPACE && octet < DELETE) return String.fromCharCode(octet);
  return `\\${String(octet).padStart(3, '0')}`;
}

/** Presentation form of a name, always with the dot at its end. */
export function formatName(name: Uint8Array): string {
  if (name.length <= 1) return '.';
  return labelOffsets(name)
    .slice(0, -1)
    .map((at) => {
      const label = name.subarray(at + 1, at + 1 + (name[at] ?? 0));
      return `${Array.from(label, formatOctet).join('')}.`;
    })
    .join('');
}
