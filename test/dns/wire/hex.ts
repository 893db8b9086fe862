/** Messages written out octet by octet, each field with the blank that sets it apart. */

/** `1234 8180 ...`: blanks mean nothing; `61x64` is the octet 61 sixty-four times. */
export function hex(text: string): Uint8Array {
  const flat = text.replace(/\b([0-9a-f]{2})x(\d+)\b/g, (_, octet: string, count: string) =>
    octet.repeat(Number(count)),
  );
  return Uint8Array.from(Buffer.from(flat.replace(/\s+/g, ''), 'hex'));
}
