/** The reference of the configuration's keys, from the rows of its schema. */
import { z } from 'zod';

/** A key as it is described: in `sluice config` and in docs/configuration-keys.md. */
export interface ConfigKey {
  /** With the keys above it; `[]` is a member of a list: `uplinks[].mode`. */
  readonly key: string;
  /** What is written for it: `on|off`, `IFNAME`, `seconds`, `mapping`. */
  readonly shape: string;
  /** Its default as written in the file; undefined: none, or the description says it. */
  readonly initial: string | undefined;
  readonly isRequired: boolean;
  /** The least and the greatest number; undefined: no number, or without bounds. */
  readonly bounds: readonly [number, number] | undefined;
  readonly doc: string;
}

interface SchemaNode {
  readonly shape?: string;
  readonly shown?: unknown;
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly required?: readonly string[];
}

function keysOf(node: SchemaNode, prefix: string): ConfigKey[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const key = `${prefix}${name}`;
    // A list, or a list of lists, of mappings.
    const isNested = child.items?.items !== undefined;
    const inner = child.properties ? child : (child.items?.items ?? child.items);
    const lists = isNested ? '[][]' : child.items ? '[]' : '';
    const { shape = '', shown, description: doc = '', minimum, maximum } = child;
    const isPlain = typeof shown === 'string' || typeof shown === 'number';
    const described: ConfigKey = {
      key,
      shape,
      initial: isPlain ? String(shown) : undefined,
      isRequired: node.required?.includes(name) === true,
      bounds: minimum === undefined || maximum === undefined ? undefined : [minimum, maximum],
      doc,
    };
    return [described, ...(inner?.properties ? keysOf(inner, `${key}${lists}.`) : [])];
  });
}

/** Every key, in the order of the schema, those of a mapping behind it. */
export function describeKeys(schema: z.ZodType): ConfigKey[] {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as SchemaNode;
  return keysOf(root, '');
}

/** As text for a terminal, two lines a key. */
export function formatKeys(keys: readonly ConfigKey[]): string {
  const lines = keys.flatMap(({ key, shape, initial, isRequired, doc }) => {
    const required = isRequired ? 'required' : '';
    const shown = initial === undefined ? required : `default ${initial}`;
    return [`  ${key.padEnd(26)} ${shape.padEnd(20)} ${shown}`.trimEnd(), `      ${doc}`];
  });
  return ['Configuration file (YAML):', ...lines].join('\n');
}
