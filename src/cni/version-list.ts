/** Versions of the CNI specification that are spoken, oldest first. */
export const SUPPORTED_VERSIONS = [
  '0.1.0',
  '0.2.0',
  '0.3.0',
  '0.3.1',
  '0.4.0',
  '1.0.0',
  '1.1.0',
] as const;

export type CniVersion = (typeof SUPPORTED_VERSIONS)[number];

export const LATEST_VERSION: CniVersion = '1.1.0';

/** What a configuration without `cniVersion` is written in (libcni). */
export const DEFAULT_VERSION: CniVersion = '0.1.0';
