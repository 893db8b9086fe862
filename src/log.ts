/**
 * Log lines: one JSON object per event with stable keys, never per packet.
 */
import { destination, pino, stdTimeFunctions } from 'pino';
import type { DestinationStream, Logger } from 'pino';

export type Log = Logger;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const STDERR_FD = 2;

/**
 * The root logger; modules get `log.child({ component: 'sources.files' })`.
 *
 * Lines go to standard error, synchronously: a few lines a second at most, and the last line
 * before a crash is the one that is wanted.
 *
 * @param to  another place for the lines (tests)
 */
export function createLog(level: LogLevel, to?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    messageKey: 'msg',
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, to ?? destination({ fd: STDERR_FD, sync: true }));
}
