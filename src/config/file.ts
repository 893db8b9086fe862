/**
 * The document that a configuration is read from: a SluiceConfiguration, a KubeProxyConfiguration,
 * or the first with what the second says where it is silent.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import { DataplaneError, messageOf } from '../errors.js';
import { KUBE_PROXY_KIND, readKubeProxy } from './kube-proxy.js';
import { settingsOf } from './kube-proxy-settings.js';
import type { KubeProxySettings } from './kube-proxy-settings.js';
import { findingAt, throwFindings } from '../validate.js';
import { readYaml } from '../yaml.js';
import type { YamlDocument } from '../yaml.js';

export const CONFIG_API_VERSION = 'sluice/v1alpha1';
export const CONFIG_KIND = 'SluiceConfiguration';

/** @throws DataplaneError ERR_CONFIG */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new DataplaneError('ERR_CONFIG', `cannot read ${file}: ${messageOf(cause)}`, { cause });
  }
}

function fieldOf(document: YamlDocument, key: string): unknown {
  const { value } = document;
  return typeof value === 'object' && value !== null && key in value
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

function kubeProxySettings(document: YamlDocument): KubeProxySettings {
  const around = { file: document.file, cores: availableParallelism() };
  return settingsOf(readKubeProxy(document), around);
}

/** The KubeProxyConfiguration that the document is, or names. */
function findKubeProxy(document: YamlDocument): KubeProxySettings | undefined {
  if (fieldOf(document, 'kind') === KUBE_PROXY_KIND) return kubeProxySettings(document);
  const named = fieldOf(document, 'kubeProxyConfiguration');
  if (typeof named !== 'string' || named === '') return undefined;
  const file = resolve(dirname(resolve(document.file)), named);
  return kubeProxySettings(onlyDocument(readText(file), file, KUBE_PROXY_KIND));
}

/** The document as if the settings stood in it; what does stand in it wins. */
function withSettings(document: YamlDocument, kube: KubeProxySettings): YamlDocument {
  const isSluice = fieldOf(document, 'kind') !== KUBE_PROXY_KIND;
  const head = { apiVersion: CONFIG_API_VERSION, kind: CONFIG_KIND };
  const explicit = isSluice ? (document.value as Record<string, unknown>) : head;
  const value: Record<string, unknown> = { ...kube.keys, ...explicit };
  const { timeouts } = explicit as { timeouts?: unknown };
  if (typeof timeouts === 'object') value['timeouts'] = { ...kube.keys.timeouts, ...timeouts };
  return { ...document, value };
}

/** @throws DataplaneError ERR_YAML, ERR_CONFIG */
function onlyDocument(text: string, file: string, kind: string): YamlDocument {
  const [document, second] = readYaml(text, file);
  if (document === undefined) {
    const what = `${file}:1:1: document 1: (empty): expected a ${kind}`;
    throw new DataplaneError('ERR_CONFIG', what);
  }
  if (second !== undefined) {
    throwFindings('ERR_CONFIG', [findingAt(second, [], 'expected one document in this file')]);
  }
  return document;
}

export interface OpenedDocument {
  readonly document: YamlDocument;
  /** undefined: there is no KubeProxyConfiguration. */
  readonly kube: KubeProxySettings | undefined;
}

/** @throws DataplaneError ERR_YAML, ERR_CONFIG  one line per problem */
export function openDocument(text: string, file: string): OpenedDocument {
  const written = onlyDocument(text, file, CONFIG_KIND);
  const kube = findKubeProxy(written);
  return { document: kube ? withSettings(written, kube) : written, kube };
}
