/** pcapng as scapy writes it, and by hand what scapy does not write. */
import { execFileSync } from 'node:child_process';
import test from 'ava';
import { readCapture } from '../../src/port/capture.js';
import { needs } from '../support/skip.js';

const SCRIPT = `
import sys, tempfile
from scapy.all import IP, UDP, Ether
from scapy.utils import RawPcapNgWriter, PcapNgWriter
frames = [Ether(src="0a:00:00:00:00:01", dst="02:53:00:00:00:01")/IP(src="10.0.0.1", dst="10.0.0.2")/UDP(sport=n, dport=53)/(b"x" * n) for n in (1, 2, 3)]
for i, frame in enumerate(frames): frame.time = 1700000000 + i * 0.25
with tempfile.NamedTemporaryFile() as file:
    writer = PcapNgWriter(file.name)
    for frame in frames: writer.write(frame)
    writer.close()
    print(open(file.name, "rb").read().hex())
    print(" ".join(bytes(frame).hex() for frame in frames))
`;

function scapyFile(): { file: Buffer; frames: string[] } | undefined {
  try {
    const options = { encoding: 'utf8' as const, stdio: 'pipe' as const };
    const [file = '', frames = ''] = execFileSync(
      '/usr/bin/python3',
      ['-c', SCRIPT],
      options,
    ).split('\n');
    return { file: Buffer.from(file, 'hex'), frames: frames.trim().split(' ') };
  } catch {
    return undefined;
  }
}

const made = scapyFile();
const scapyTest = needs({ also: made ? undefined : 'needs scapy with PcapNgWriter' });

scapyTest('pcapng: frames and times are those that scapy has written', (t) => {
  const found = [...readCapture(made?.file ?? Buffer.alloc(0), 'in.pcapng')];
  t.deepEqual(
    found.map(({ bytes }) => Buffer.from(bytes).toString('hex')),
    made?.frames,
  );
  t.deepEqual(
    found.map(({ timeNs }) => timeNs),
    [0n, 250n, 500n].map((ms) => 1_700_000_000_000_000_000n + ms * 1_000_000n),
  );
});

/** A block in big-endian order. */
function block(type: number, body: Buffer): Buffer {
  const padded = Buffer.concat([body, Buffer.alloc((4 - (body.length % 4)) % 4)]);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(type, 0);
  head.writeUInt32BE(padded.length + 12, 4);
  return Buffer.concat([head, padded, head.subarray(4)]);
}

const SECTION = block(0x0a0d0d0a, Buffer.from('1a2b3c4d00010000ffffffffffffffff', 'hex'));
/** Ethernet, 8 bytes at most, time in 2^-10 seconds, 100 s ahead. */
const INTERFACE = block(
  1,
  Buffer.from(
    '0001000000000008' + '000900018a000000' + '000e00080000000000000064' + '00000000',
    'hex',
  ),
);
const FRAME = Buffer.from('00112233445566778899aabbccddeeff', 'hex');

test('pcapng: big-endian, a binary clock with an offset, and blocks without packets', (t) => {
  const head = Buffer.from('00000000' + '00000000' + '00000600' + '00000010' + '00000010', 'hex');
  const unknown = block(0x0bad, Buffer.from('skip me!'));
  const file = Buffer.concat([SECTION, unknown, INTERFACE, block(6, Buffer.concat([head, FRAME]))]);
  t.deepEqual(
    [...readCapture(file, 'f')].map(({ timeNs, wireLen, bytes }) => [
      timeNs,
      wireLen,
      Buffer.from(bytes).toString('hex'),
    ]),
    [[101_500_000_000n, 16, FRAME.toString('hex')]],
  );
});

test('pcapng: a simple packet is as long as its interface allows', (t) => {
  const simple = block(3, Buffer.concat([Buffer.from('00000010', 'hex'), FRAME.subarray(0, 8)]));
  const [found] = readCapture(Buffer.concat([SECTION, INTERFACE, simple]), 'f');
  t.is(Buffer.from(found?.bytes ?? []).toString('hex'), '0011223344556677');
  t.is(found?.wireLen, 16);
});

test('pcapng: what is none is one sentence', (t) => {
  const refused = (file: Buffer): string => t.throws(() => [...readCapture(file, 'f')]).message;
  const wifi = block(1, Buffer.from('0069000000000000', 'hex'));
  const packet = block(6, Buffer.alloc(20));
  t.is(refused(Buffer.concat([SECTION, wifi, packet])), 'f: link type 105, expected 1, Ethernet');
  t.is(refused(SECTION.subarray(0, 20)), 'f: block 1 is cut off');
  t.regex(refused(Buffer.concat([SECTION, packet])), /interface 0, which nobody described/);
  const long = Buffer.from(packet);
  long.writeUInt32BE(100, 20);
  t.regex(refused(Buffer.concat([SECTION, INTERFACE, long])), /longer than its block/);
});
