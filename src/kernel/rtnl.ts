/**
 * One NETLINK_ROUTE socket in one network namespace, synchronous.
 *
 * A round trip costs about 10 microseconds, less than handing it to another thread would.
 * The verbs are in link.ts, address.ts, route.ts and neighbour.ts; each takes an `Rtnl` first.
 *
 * Spec: man 7 rtnetlink
 */
import { closeFd, netlinkOpen, netlinkRequest, netlinkRequestAsync } from '../native.js';
import {
  type Attribute,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NetlinkError,
  type NetlinkMessage,
  decodeMessages,
  encodeRequest,
  errorOf,
} from './netlink.js';

const NETLINK_ROUTE = 0;
/** Dumps repeated because the table changed meanwhile, before we say so. */
const DUMP_ATTEMPTS = 8;

/** What to ask, and the words for it if it fails. */
export interface RtnlQuestion {
  readonly type: number;
  /** Beside NLM_F_REQUEST and NLM_F_ACK or NLM_F_DUMP. */
  readonly flags?: number;
  readonly header: Uint8Array;
  readonly attributes: readonly Attribute[];
  readonly asked: string;
}

/** Whoever takes one question. */
export interface Asks {
  /** Ask for a change or for one object; returns what came before the acknowledgement. */
  request(question: RtnlQuestion): NetlinkMessage[];
}

export interface Rtnl extends Asks {
  /**
   * Send several changes in one go. Each is tried, whatever became of those before it.
   *
   * @param fill  asks for the changes; to it all of them succeed and answer nothing
   * @throws      NetlinkError of the first that failed
   */
  batch(fill: (queue: Asks) => void): void;
  /**
   * Ask for a change that keeps the kernel busy for long, on another thread. Until it is done
   * nobody asks this socket anything else, nor closes it.
   */
  later(question: RtnlQuestion): Promise<void>;
  /** List a table. */
  dump(question: RtnlQuestion): NetlinkMessage[];
  close(): void;
}

/**
 * @param netnsFd  the namespace; -1 for the caller's own
 * @throws         the native error of socket(2) or setns(2)
 */
export function openRtnl(netnsFd: number): Rtnl {
  const fd = netlinkOpen(NETLINK_ROUTE, netnsFd);
  let lastSeq = 0;

  const ask = (question: RtnlQuestion, mode: number): RtnlAnswer => {
    lastSeq = (lastSeq + 1) >>> 0;
    const seq = lastSeq;
    const flags = NLM_F_REQUEST | mode | (question.flags ?? 0);
    const bytes = netlinkRequest(fd, encodeRequest({ ...question, flags, seq }));
    return answerOf(decodeMessages(bytes), seq, question.asked);
  };

  const batch = (fill: (queue: Asks) => void): void => {
    const questions: RtnlQuestion[] = [];
    fill({
      request: (question) => {
        questions.push(question);
        return [];
      },
    });
    if (questions.length === 0) return;
    const first = lastSeq + 1;
    const last = questions.length - 1;
    const parts = questions.map((question, i) => {
      lastSeq = (lastSeq + 1) >>> 0;
      // Refusals are always answered; one acknowledgement speaks for the rest.
      const flags = NLM_F_REQUEST | (i === last ? NLM_F_ACK : 0) | (question.flags ?? 0);
      return encodeRequest({ ...question, flags, seq: lastSeq });
    });
    const answers = decodeMessages(netlinkRequest(fd, Buffer.concat(parts)));
    questions.forEach((question, i) => {
      answerOf(answers, (first + i) >>> 0, question.asked);
    });
  };

  return {
    batch,
    later: async (question) => {
      lastSeq = (lastSeq + 1) >>> 0;
      const seq = lastSeq;
      const flags = NLM_F_REQUEST | NLM_F_ACK | (question.flags ?? 0);
      const bytes = await netlinkRequestAsync(fd, encodeRequest({ ...question, flags, seq }));
      answerOf(decodeMessages(bytes), seq, question.asked);
    },
    request: (question) => ask(question, NLM_F_ACK).messages,
    dump: (question) => {
      for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
        const answer = ask(question, NLM_F_DUMP);
        if (!answer.interrupted) return answer.messages;
      }
      throw new NetlinkError('EAGAIN', -11, question.asked, 'the table kept changing');
    },
    close: () => closeFd(fd),
  };
}

/** What came back, without the message that ends it. */
export interface RtnlAnswer {
  readonly messages: NetlinkMessage[];
  /** The table changed while it was dumped. */
  readonly interrupted: boolean;
}

/**
 * The answer to request `seq`.
 *
 * @throws NetlinkError when the message that ends it carries an error
 */
export function answerOf(
  received: readonly NetlinkMessage[],
  seq: number,
  asked: string,
): RtnlAnswer {
  const messages: NetlinkMessage[] = [];
  let interrupted = false;
  for (const message of received) {
    if (message.seq !== seq) continue;
    const error = errorOf(message, asked);
    if (error !== undefined) throw error;
    if (message.type === NLMSG_ERROR) continue;
    if ((message.flags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
    if (message.type !== NLMSG_DONE) messages.push(message);
  }
  return { messages, interrupted };
}
