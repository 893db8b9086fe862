/**
 * The netlink wire format: messages, attributes, error replies. Pure: bytes in, bytes out.
 *
 *   nlmsghdr                                    nlattr
 *   0        4      6       8      12     16    0      2      4
 *   +--------+------+-------+------+------+     +------+------+---------+-----+
 *   | length | type | flags | seq  | port | ..  | len  | type | value   | pad |
 *   +--------+------+-------+------+------+     +------+------+---------+-----+
 *
 * Integers are in the byte order of the machine; Sluice runs on little-endian machines only
 * (x86-64, arm64), so that is the order written here. Addresses inside attributes are in
 * network order. Everything is padded to 4 bytes; lengths do not count the padding.
 *
 * Spec: man 7 netlink; linux/netlink.h
 */
import { getSystemErrorMap } from 'node:util';

export const NLMSG_HLEN = 16;
const NLATTR_HLEN = 4;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_MULTI = 0x2;
export const NLM_F_ACK = 0x4;
/** Tell the one who asks, too, what everybody is told of it. */
export const NLM_F_ECHO = 0x8;
/** A table changed while it was dumped: what was read may be inconsistent. */
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_DUMP = 0x300;
export const NLM_F_CREATE = 0x400;
/** On an error reply: the request is quoted without its payload. */
const NLM_F_CAPPED = 0x100;
/** On an error reply: attributes follow the quoted request. */
const NLM_F_ACK_TLVS = 0x200;

/** nlattr type bits that are not part of the type. */
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;

const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_OFFS = 2;

/** One attribute to be sent; `nested` ones carry attributes instead of bytes. */
export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array | readonly Attribute[];
}

/** One message as it came. `payload` is everything behind the nlmsghdr. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  readonly payload: Uint8Array;
}

export interface NetlinkRequest {
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  /** The fixed structure the family puts before its attributes (ifinfomsg, rtmsg, ...). */
  readonly header: Uint8Array;
  readonly attributes: readonly Attribute[];
}

/** What a request failed with. `errno` is negative, as in Node's own system errors. */
export class NetlinkError extends Error {
  readonly syscall = 'netlink';

  /**
   * @param code    symbolic errno, e.g. `EEXIST`
   * @param errno   negative errno
   * @param asked   what was asked, in words: "create veth slc0"
   * @param reason  the kernel's own explanation (extended ack); empty when it gave none
   */
  constructor(
    readonly code: string,
    readonly errno: number,
    readonly asked: string,
    readonly reason: string,
  ) {
    super(`${asked}: ${code}${reason === '' ? '' : ` (${reason})`}`);
    this.name = 'NetlinkError';
  }
}

// ---- Attributes -----------------------------------------------------------------------

export function u8Attribute(type: number, value: number): Attribute {
  return { type, value: Uint8Array.of(value) };
}

export function u16Attribute(type: number, value: number): Attribute {
  const bytes = new Uint8Array(2);
  new DataView(bytes.buffer).setUint16(0, value, true);
  return { type, value: bytes };
}

export function u32Attribute(type: number, value: number): Attribute {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return { type, value: bytes };
}

/** A NUL-terminated string. */
export function textAttribute(type: number, value: string): Attribute {
  return { type, value: new TextEncoder().encode(`${value}\0`) };
}

export function bytesAttribute(type: number, value: Uint8Array): Attribute {
  return { type, value };
}

export function nestedAttribute(type: number, value: readonly Attribute[]): Attribute {
  return { type, value };
}

/** A nest that begins with a fixed structure (VETH_INFO_PEER: an ifinfomsg). */
export function headedAttribute(
  type: number,
  header: Uint8Array,
  attributes: readonly Attribute[],
): Attribute {
  const bytes = new Uint8Array(header.length + attributesLength(attributes));
  bytes.set(header);
  writeAttributes(bytes, header.length, attributes);
  return { type, value: bytes };
}

// ---- Encoding -------------------------------------------------------------------------

function align4(length: number): number {
  return (length + 3) & ~3;
}

function isNest(value: Attribute['value']): value is readonly Attribute[] {
  return !(value instanceof Uint8Array);
}

function valueLength(value: Attribute['value']): number {
  return isNest(value) ? attributesLength(value) : value.length;
}

function attributesLength(attributes: readonly Attribute[]): number {
  let total = 0;
  for (const { value } of attributes) total += align4(NLATTR_HLEN + valueLength(value));
  return total;
}

function writeAttributes(out: Uint8Array, at: number, attributes: readonly Attribute[]): void {
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  let off = at;
  for (const { type, value } of attributes) {
    const length = NLATTR_HLEN + valueLength(value);
    if (length > 0xffff) {
      throw new RangeError(`netlink attribute ${type} is ${length} bytes, expected at most 65535`);
    }
    view.setUint16(off, length, true);
    view.setUint16(off + 2, isNest(value) ? type | NLA_F_NESTED : type, true);
    if (isNest(value)) writeAttributes(out, off + NLATTR_HLEN, value);
    else out.set(value, off + NLATTR_HLEN);
    off += align4(length);
  }
}

/** One complete request, nlmsghdr included; port 0 (the socket's own). */
export function encodeRequest(request: NetlinkRequest): Uint8Array {
  const headerEnd = NLMSG_HLEN + align4(request.header.length);
  const length = headerEnd + attributesLength(request.attributes);
  const out = new Uint8Array(length);
  const view = new DataView(out.buffer);
  view.setUint32(0, length, true);
  view.setUint16(4, request.type, true);
  view.setUint16(6, request.flags, true);
  view.setUint32(8, request.seq, true);
  out.set(request.header, NLMSG_HLEN);
  writeAttributes(out, headerEnd, request.attributes);
  return out;
}

// ---- Decoding -------------------------------------------------------------------------

/**
 * Split what a socket delivered into messages. The payloads are views, not copies.
 *
 * @throws RangeError when a length field contradicts the bytes there are
 */
export function decodeMessages(bytes: Uint8Array): NetlinkMessage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: NetlinkMessage[] = [];
  let off = 0;
  while (off < bytes.length) {
    const left = bytes.length - off;
    const length = left >= NLMSG_HLEN ? view.getUint32(off, true) : 0;
    if (length < NLMSG_HLEN || length > left) {
      throw new RangeError(`netlink message at ${off} says ${length} bytes, ${left} are left`);
    }
    messages.push({
      type: view.getUint16(off + 4, true),
      flags: view.getUint16(off + 6, true),
      seq: view.getUint32(off + 8, true),
      payload: bytes.subarray(off + NLMSG_HLEN, off + length),
    });
    off += align4(length);
  }
  return messages;
}

/**
 * Attributes by type, flag bits removed; of a repeated type the last wins. Values are views.
 *
 * @throws RangeError when a length field contradicts the bytes there are
 */
export function decodeAttributes(bytes: Uint8Array): Map<number, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const attributes = new Map<number, Uint8Array>();
  let off = 0;
  while (off < bytes.length) {
    const left = bytes.length - off;
    const length = left >= NLATTR_HLEN ? view.getUint16(off, true) : 0;
    if (length < NLATTR_HLEN || length > left) {
      throw new RangeError(`netlink attribute at ${off} says ${length} bytes, ${left} are left`);
    }
    const type = view.getUint16(off + 2, true) & NLA_TYPE_MASK;
    attributes.set(type, bytes.subarray(off + NLATTR_HLEN, off + length));
    off += align4(length);
  }
  return attributes;
}

/** A u32 attribute; undefined when it is absent or too short. */
export function u32Of(attributes: Map<number, Uint8Array>, type: number): number | undefined {
  const value = attributes.get(type);
  if (value === undefined || value.length < 4) return undefined;
  return new DataView(value.buffer, value.byteOffset, value.byteLength).getUint32(0, true);
}

/** A string attribute up to its NUL; undefined when it is absent. */
export function textOf(attributes: Map<number, Uint8Array>, type: number): string | undefined {
  const value = attributes.get(type);
  if (value === undefined) return undefined;
  const end = value.indexOf(0);
  return new TextDecoder().decode(end < 0 ? value : value.subarray(0, end));
}

/**
 * The error an NLMSG_ERROR or NLMSG_DONE carries.
 *
 * @param asked  what was asked, for the message of the error
 * @returns      undefined when it reports success (errno 0) or is another kind of message
 * Layout        i32 -errno, the quoted request (its header only when CAPPED), then, when
 *               ACK_TLVS, the extended ack; a DONE quotes nothing
 */
export function errorOf(message: NetlinkMessage, asked: string): NetlinkError | undefined {
  if (message.type !== NLMSG_ERROR && message.type !== NLMSG_DONE) return undefined;
  const { payload } = message;
  if (payload.length < 4) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const errno = view.getInt32(0, true);
  if (errno === 0) return undefined;
  const code = getSystemErrorMap().get(errno)?.[0] ?? `E${-errno}`;
  return new NetlinkError(code, errno, asked, reasonOf(message, view));
}

function reasonOf(message: NetlinkMessage, view: DataView): string {
  if ((message.flags & NLM_F_ACK_TLVS) === 0) return '';
  let tlvsOff = 4;
  if (message.type === NLMSG_ERROR) {
    if (message.payload.length < 4 + NLMSG_HLEN) return '';
    const capped = (message.flags & NLM_F_CAPPED) !== 0;
    tlvsOff += capped ? NLMSG_HLEN : align4(view.getUint32(4, true));
  }
  const attributes = decodeAttributes(message.payload.subarray(tlvsOff));
  const text = textOf(attributes, NLMSGERR_ATTR_MSG);
  const offset = u32Of(attributes, NLMSGERR_ATTR_OFFS);
  if (offset === undefined) return text ?? '';
  return `${text ?? 'refused'}, at byte ${offset} of the request`;
}
