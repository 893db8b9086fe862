/**
 * The plugins of a server block, one in front of the other.
 *
 * Whatever goes wrong in a plugin is SERVFAIL for the client and a problem for those in front of it,
 * of which `errors` tells.
 */
import { messageOf } from '../../errors.js';
import { encodeMessage } from '../message/encode.js';
import { replyTo } from '../message/message.js';
import type { Next, Plugin, Query, Reply } from '../plugin.js';
import { Rcode } from '../wire/header.js';

/** SERVFAIL, and why. */
export function failure(query: Query, plugin: string, problem: string): Reply {
  const message = encodeMessage(replyTo(query, { rcode: Rcode.SERVFAIL }));
  return { message, plugin, problem };
}

function link(plugin: Plugin, next: Next, panicked: () => void): Next {
  return async (query) => {
    try {
      return await plugin.handle(query, next);
    } catch (error) {
      panicked();
      return failure(query, plugin.name, `plugin/${plugin.name}: ${messageOf(error)}`);
    }
  };
}

/**
 * One function of all plugins. Never rejects.
 *
 * @param plugins   in the order that they are asked
 * @param panicked  called for what a plugin has thrown: nobody had foreseen it
 */
export function compose(plugins: readonly Plugin[], panicked: () => void = () => undefined): Next {
  const end: Next = (query) =>
    Promise.resolve(failure(query, '', 'no plugin of the server block answers this name'));
  return plugins.reduceRight<Next>((next, plugin) => link(plugin, next, panicked), end);
}
