/**
 * Names of things as branded strings, each built by one function.
 */
import type { ObjectMeta } from 'kubernetes-types/meta/v1.js';

/** `namespace/name`, or `name` for objects that have no namespace. */
export type ObjectKey = string & { readonly brand: 'ObjectKey' };

/** `namespace/name:portName/PROTOCOL`: the unit of programming, kube-proxy's ServicePortName. */
export type ServicePortKey = string & { readonly brand: 'ServicePortKey' };

export function namedKey(namespace: string | undefined, name: string): ObjectKey {
  return (namespace === undefined || namespace === '' ? name : `${namespace}/${name}`) as ObjectKey;
}

export function objectKey(meta: ObjectMeta | undefined): ObjectKey {
  return namedKey(meta?.namespace, meta?.name ?? '');
}

export function servicePortKey(
  service: ObjectKey,
  portName: string,
  protocol: string,
): ServicePortKey {
  return `${service}:${portName}/${protocol}` as ServicePortKey;
}

/** Order by UTF-16 code units: the same on every machine, whatever its locale. */
export function byText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
