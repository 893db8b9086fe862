/**
 * Rules that say which table answers for a source address, over rtnetlink.
 *
 *   fib_rule_hdr (linux/fib_rules.h)
 *   0        1        2        3     4       5          7        8       12
 *   +--------+--------+--------+-----+-------+----------+--------+-------+
 *   | family | dstLen | srcLen | tos | table | reserved | action | flags |
 *   +--------+--------+--------+-----+-------+----------+--------+-------+
 *
 * No interface has them: they stay when the one goes that they are about.
 */
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  familyNumber,
  parseInterfaceAddress,
  wireBytes,
  wireText,
} from './inet.js';
import {
  type NetlinkMessage,
  NLM_F_CREATE,
  NLM_F_EXCL,
  bytesAttribute,
  decodeAttributes,
  u32Attribute,
  u32Of,
  u8Attribute,
} from './netlink.js';
import { ROUTE_PROTOCOL } from './route.js';
import type { Asks, Rtnl } from './rtnl.js';

const RTM_NEWRULE = 32;
const RTM_DELRULE = 33;
const RTM_GETRULE = 34;

const RULE_SIZE = 12;
const FR_ACT_TO_TBL = 1;

const FRA_SRC = 2;
const FRA_PRIORITY = 6;
const FRA_TABLE = 15;
const FRA_PROTOCOL = 21;

export interface SourceRule {
  /** Without its length. */
  readonly src: string;
  readonly table: number;
  /** Less is asked earlier; the table main is at 32766. */
  readonly priority: number;
}

function ruleHeader(family: number, srcLen: number, action: number): Uint8Array {
  const header = new Uint8Array(RULE_SIZE);
  header[0] = family;
  header[2] = srcLen;
  // The table stays 0: the FRA_TABLE attribute takes its place.
  header[7] = action;
  return header;
}

function ask(rtnl: Asks, type: number, rule: SourceRule, verb: string): void {
  const { address, prefixLen } = parseInterfaceAddress(rule.src);
  rtnl.request({
    type,
    flags: type === RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0,
    header: ruleHeader(familyNumber(address.family), prefixLen, FR_ACT_TO_TBL),
    attributes: [
      bytesAttribute(FRA_SRC, wireBytes(address)),
      u32Attribute(FRA_PRIORITY, rule.priority),
      u32Attribute(FRA_TABLE, rule.table),
      u8Attribute(FRA_PROTOCOL, ROUTE_PROTOCOL),
    ],
    asked: `${verb} rule ${JSON.stringify(rule)}`,
  });
}

/** @throws NetlinkError EEXIST when it is there already */
export function addSourceRule(rtnl: Asks, rule: SourceRule): void {
  ask(rtnl, RTM_NEWRULE, rule, 'add');
}

/** @throws NetlinkError ENOENT when there is none */
export function deleteSourceRule(rtnl: Asks, rule: SourceRule): void {
  ask(rtnl, RTM_DELRULE, rule, 'delete');
}

function decodeRule({ payload }: NetlinkMessage): SourceRule[] {
  const attributes = decodeAttributes(payload.subarray(RULE_SIZE));
  const bytes = attributes.get(FRA_SRC);
  const isOurs = attributes.get(FRA_PROTOCOL)?.[0] === ROUTE_PROTOCOL;
  const isInternet = payload[0] === AF_INET || payload[0] === AF_INET6;
  if (!isOurs || !isInternet || bytes === undefined) return [];
  const table = u32Of(attributes, FRA_TABLE) ?? 0;
  return [{ src: wireText(bytes), table, priority: u32Of(attributes, FRA_PRIORITY) ?? 0 }];
}

/** Those that Sluice made, of both families. */
export function listSourceRules(rtnl: Rtnl): SourceRule[] {
  const answers = rtnl.dump({
    type: RTM_GETRULE,
    header: ruleHeader(AF_UNSPEC, 0, 0),
    attributes: [],
    asked: 'list rules',
  });
  return answers.flatMap(decodeRule);
}
