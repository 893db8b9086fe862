/**
 * What the command line asks a DNS server, over the admin socket of whoever runs it:
 *
 *   GET /dns/query?name=NAME&type=TYPE&from=IP   QueryReport of explain.ts
 *   GET /dns/top?seconds=N                       TopReport of top.ts
 */
import { DataplaneError } from '../errors.js';
import { NOT_FOUND, json } from '../http-server.js';
import type { Handler } from '../http-server.js';
import { explainQuery } from './explain.js';
import type { Nameserver } from './nameserver.js';
import { SECONDS_MAX, watchQueries } from './top.js';

function readSeconds(text: string): number {
  const seconds = Number(text);
  if (/^\d+$/.test(text) && seconds <= SECONDS_MAX) return seconds;
  const what = `seconds: ${JSON.stringify(text)}: expected a whole number from 0 to ${SECONDS_MAX}`;
  throw new DataplaneError('ERR_USAGE', what);
}

/** Paths below /dns. It throws DataplaneError ERR_USAGE for what it cannot read. */
export function dnsHandler(server: Nameserver): Handler {
  return async (path, query) => {
    switch (path) {
      case '/dns/query':
        return json(
          await explainQuery(server, {
            name: query.get('name') ?? '',
            type: query.get('type') ?? undefined,
            from: query.get('from') ?? undefined,
          }),
        );
      case '/dns/top': {
        const seconds = readSeconds(query.get('seconds') ?? '0');
        return json(await watchQueries(server.querySources(), seconds, server.podAt));
      }
      default:
        return NOT_FOUND;
    }
  };
}
