/**
 * YAML documents that know where their values stand in the file.
 *
 * Read as YAML 1.1 the way the Go programs do that read the same files: `on` is true and 0755
 * is 493, but `12:30` and a date are text. JSON is read by the same rules.
 */
import { LineCounter, isMap, isNode, isPair, isScalar, parseAllDocuments } from 'yaml';
import type { Document, ScalarTag, Tags } from 'yaml';
import { DataplaneError, messageOf } from './errors.js';

export type KeyPath = readonly PropertyKey[];

/** 1-based, as editors count. */
export interface Position {
  readonly line: number;
  readonly col: number;
}

export interface YamlDocument {
  readonly file: string;
  /** 1-based place in a multi-document file; empty documents count. */
  readonly index: number;
  readonly value: unknown;
  /** Where the value at a path stands; of a missing one, where its parent stands. */
  locate(path: KeyPath): Position;
}

const TIMESTAMP_TAG = 'tag:yaml.org,2002:timestamp';
/** The exponent form of the yaml package takes `e0` for a number; interfaces have such names. */
const EXPONENT_NUMBER = /^[-+]?(\d[\d_]*)(\.[\d_]*)?[eE][-+]?\d+$|^[-+]?\.\d[\d_]*[eE][-+]?\d+$/;
/** Its plain form takes a lone dot for one; that is a folder. A number has a digit. */
const PLAIN_NUMBER = /^[-+]?\d[\d_]*\.[\d_]*$|^[-+]?\.\d[\d_]*$/;

/** Scalars of YAML 1.1 less those that Go leaves as text. */
function goTags(tags: Tags): Tags {
  return tags.flatMap<Tags[number]>((tag) => {
    if (typeof tag === 'string') return [tag];
    if (tag.tag === TIMESTAMP_TAG || tag.format === 'TIME') return [];
    const { test } = tag as ScalarTag;
    if (test?.test('.') === true) return [{ ...(tag as ScalarTag), test: PLAIN_NUMBER }];
    return tag.format === 'EXP' ? [{ ...(tag as ScalarTag), test: EXPONENT_NUMBER }] : [tag];
  });
}

function isEmpty(contents: unknown): boolean {
  return contents === null || (isScalar(contents) && contents.value === null);
}

/** The node of the key itself, for a path that ends in a field name of a mapping. */
function keyNode(document: Document, path: KeyPath): unknown {
  const parent: unknown =
    path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return undefined;
  const name = path.at(-1);
  const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === name);
  return isPair(pair) ? pair.key : undefined;
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function locator(document: Document, lines: LineCounter): (path: KeyPath) => Position {
  return (path) => {
    for (let length = path.length; length >= 0; length--) {
      const part = path.slice(0, length);
      const value: unknown = length === 0 ? document.contents : document.getIn(part, true);
      const offset = offsetOf(value) ?? (length > 0 ? offsetOf(keyNode(document, part)) : 0);
      if (offset !== undefined) return lines.linePos(offset);
    }
    return { line: 1, col: 1 };
  };
}

/**
 * Read all documents of a file; empty ones are left out but counted.
 *
 * @throws DataplaneError ERR_YAML  one line: file:line:col, document, what is wrong
 */
export function readYaml(text: string, file: string): YamlDocument[] {
  const lines = new LineCounter();
  const options = {
    version: '1.1',
    lineCounter: lines,
    prettyErrors: false,
    customTags: goTags,
  } as const;
  const parsed: Document[] = [...parseAllDocuments(text, options)];
  return parsed.flatMap((document, i) => {
    const index = i + 1;
    const [error] = document.errors;
    if (error) {
      const { line, col } = lines.linePos(error.pos[0]);
      const what = `${file}:${line}:${col}: document ${index}: not YAML: ${messageOf(error)}`;
      throw new DataplaneError('ERR_YAML', what, { cause: error });
    }
    if (isEmpty(document.contents)) return [];
    return [
      { file, index, value: toValue(document, file, index), locate: locator(document, lines) },
    ];
  });
}

/** Plain values; the alias limit of the yaml package stays on. */
function toValue(document: Document, file: string, index: number): unknown {
  try {
    return document.toJS();
  } catch (cause) {
    const what = `${file}:1:1: document ${index}: not YAML: ${messageOf(cause)}`;
    throw new DataplaneError('ERR_YAML', what, { cause });
  }
}
