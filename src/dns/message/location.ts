/**
 * RDATA of LOC as people write it: `42 21 54 N 71 6 18 W -24m 30m`.
 *
 * Layout  version(8) size(8) horizontal(8) vertical(8) precision, latitude(32) longitude(32) altitude(32)
 * Spec    RFC 1876 2, 3
 */
import { readU32, writeU32 } from '../wire/header.js';
import { failWord } from './fields.js';
import type { Word } from './fields.js';

const RDATA_SIZE = 16;
/** The equator and the prime meridian; thousandths of a second of arc count from there. */
const ORIGIN = 2 ** 31;
const MS_PER_DEGREE = 3_600_000;
const MS_PER_MINUTE = 60_000;
const MS_PER_SEC = 1000;
const CM_PER_M = 100;
/** What altitude 0 is: 100 km below the ellipsoid. */
const DEPTH_CM = 10_000_000;
const ALTITUDE_MAX_CM = 0xffffffff - DEPTH_CM;
/** 1 m, 10 km, 10 m (RFC 1876 3). */
const DEFAULTS_CM = [100, 1_000_000, 1000] as const;
const PRECISION_MAX_CM = 9_000_000_000;
const EXPECTED = 'a place such as 42 21 54 N 71 6 18 W -24m';
const WHOLE = /^\d{1,3}$/;
const SECONDS = /^\d{1,2}(?:\.\d{1,3})?$/;
const METRES = /^(-?)(\d{1,8})(?:\.(\d{1,2}))?m?$/;

/** Takes words from the left to the right. */
interface Reading {
  readonly words: readonly string[];
  at: number;
}

/** `d [m [s]] {N|S}`: thousandths of a second of arc from the origin. */
function readAngle(reading: Reading, max: number, signs: string): number {
  const forms = [WHOLE, WHOLE, SECONDS];
  const units = [MS_PER_DEGREE, MS_PER_MINUTE, MS_PER_SEC];
  let angle = 0;
  for (const [i, form] of forms.entries()) {
    const text = reading.words[reading.at] ?? '';
    if (i > 0 && signs.includes(text.toUpperCase()) && text !== '') break;
    const value = form.test(text) ? Number(text) : NaN;
    if (!(i === 0 ? value <= max : value < 60)) failWord(text, EXPECTED);
    angle += Math.round(value * (units[i] ?? 0));
    reading.at += 1;
  }
  const sign = reading.words[reading.at++] ?? '';
  if (sign.length !== 1 || !signs.includes(sign.toUpperCase())) failWord(sign, EXPECTED);
  if (angle > max * MS_PER_DEGREE)
    failWord(String(angle / MS_PER_DEGREE), `at most ${max} degrees`);
  return sign.toUpperCase() === signs[0] ? angle : -angle;
}

/** Centimetres. */
function readMetres(text: string, min: number, max: number): number {
  const [, sign = '', whole = '', parts = ''] = METRES.exec(text) ?? failWord(text, 'metres');
  const cm = Number(whole) * CM_PER_M + Number(parts.padEnd(2, '0'));
  const signed = sign === '-' ? -cm : cm;
  if (signed < min || signed > max) {
    failWord(text, `${min / CM_PER_M} to ${max / CM_PER_M} metres`);
  }
  return signed;
}

/** One digit and a power of ten. */
function toPrecision(cm: number): number {
  let power = 0;
  let digit = cm;
  for (; digit >= 10; power++) digit = Math.floor(digit / 10);
  return (digit << 4) | power;
}

/** @throws DataplaneError ERR_CONFIG */
export function parseLocation(words: readonly Word[]): Uint8Array {
  const reading: Reading = { words: words.map(({ text }) => text), at: 0 };
  const latitude = readAngle(reading, 90, 'NS');
  const longitude = readAngle(reading, 180, 'EW');
  const [altitude = '', ...precisions] = reading.words.slice(reading.at);
  const extra = precisions[DEFAULTS_CM.length];
  if (extra !== undefined) failWord(extra, 'nothing behind the vertical precision');
  const rdata = new Uint8Array(RDATA_SIZE);
  DEFAULTS_CM.forEach((otherwise, i) => {
    const text = precisions[i];
    const cm = text === undefined ? otherwise : readMetres(text, 0, PRECISION_MAX_CM);
    rdata[i + 1] = toPrecision(cm);
  });
  writeU32(rdata, 4, ORIGIN + latitude);
  writeU32(rdata, 8, ORIGIN + longitude);
  writeU32(rdata, 12, readMetres(altitude, -DEPTH_CM, ALTITUDE_MAX_CM) + DEPTH_CM);
  return rdata;
}

function formatAngle(word: number, signs: string): string {
  const angle = Math.abs(word - ORIGIN);
  const degrees = Math.floor(angle / MS_PER_DEGREE);
  const minutes = Math.floor((angle % MS_PER_DEGREE) / MS_PER_MINUTE);
  const seconds = ((angle % MS_PER_MINUTE) / MS_PER_SEC).toFixed(3);
  return `${degrees} ${minutes} ${seconds} ${(word >= ORIGIN ? signs[0] : signs[1]) ?? ''}`;
}

const formatMetres = (cm: number): string => `${(cm / CM_PER_M).toFixed(2)}m`;

/** @returns undefined for another version, and for data that is cut */
export function formatLocation(rdata: Uint8Array): string | undefined {
  if (rdata.length !== RDATA_SIZE || rdata[0] !== 0) return undefined;
  const precisions = Array.from(rdata.subarray(1, 4), (octet) => (octet >> 4) * 10 ** (octet & 15));
  return [
    formatAngle(readU32(rdata, 4), 'NS'),
    formatAngle(readU32(rdata, 8), 'EW'),
    formatMetres(readU32(rdata, 12) - DEPTH_CM),
    ...precisions.map(formatMetres),
  ].join(' ');
}
