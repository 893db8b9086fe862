/**
 * Parts of objects that cannot be used. The rest of the object counts, and every other object.
 */
import type { Kind } from './events.js';
import type { ObjectKey } from './keys.js';

export interface IgnoredPart {
  readonly kind: Kind;
  readonly key: ObjectKey;
  /** `externalIPs[1] "x": no address` */
  readonly what: string;
}

/** `Service default/web: externalIPs[1] "x": no address` */
export function formatIgnored({ kind, key, what }: IgnoredPart): string {
  return `${kind} ${key}: ${what}`;
}
