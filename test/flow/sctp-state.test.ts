import test from 'ava';
import { SctpState } from '../../assembly/abi.js';
import { CHUNK, type ChunkName } from '../support/frames.js';
import { openInnerCore } from '../support/inner-core.js';

// The table in words, as RFC 9260 4, 5.2 and 9 tell the life of an association. Columns: the
// current state; cells: the next one, IG = keep it, IV = the packet is invalid.
const ORIGINAL = `
                     NO CL CW CE ES SS SR SA HS HA
  ABORT              IV CL CL CL CL CL CL CL CL CL
  INIT               CW CW CW IG IG CW CW CW CW IG
  INIT_ACK           IV IG IG IG IG IG IG IG IV IG
  COOKIE_ECHO        CE IG CE IG IG IG IG IG CE IG
  COOKIE_ACK         IV IG IV ES IG IG IG IG IG IG
  SHUTDOWN           SS IG IG IG SS IG IG IG SS SS
  SHUTDOWN_ACK       SA IG IG IG SA SA SA IG SA SA
  SHUTDOWN_COMPLETE  IV IG IG IG IG IG IG CL IG IG
  HEARTBEAT          HS IG IG IG IG IG IG IG IG IG
  HEARTBEAT_ACK      IV IG IG IG IG IG IG IG IG IG
  other              ES IG IG IG IG IG IG IG ES ES`;
const REPLY = `
                     NO CL CW CE ES SS SR SA HS HA
  ABORT              IV CL CL CL CL CL CL CL CL CL
  INIT               IV IG IG IG IG IG IG IG IG IG
  INIT_ACK           IV IG IG IG IG IG IG IG IV IG
  COOKIE_ECHO        IV IG CE IG IG IG IG IG IG IG
  COOKIE_ACK         IV IG IV ES IG IG IG IG IG IG
  SHUTDOWN           IV IG IG IG SR IG IG IG SR SR
  SHUTDOWN_ACK       IV IG IG IG SA SA SA IG SA SA
  SHUTDOWN_COMPLETE  IV IG IG IG IG IG IG CL IG IG
  HEARTBEAT          IV IG IG IG IG IG IG IG IG IG
  HEARTBEAT_ACK      IV IG IG IG IG IG IG IG HA IG
  other              IV IG IG IG IG IG IG IG ES ES`;

const STATES: Readonly<Record<string, SctpState>> = {
  NO: SctpState.NONE,
  CL: SctpState.CLOSED,
  CW: SctpState.COOKIE_WAIT,
  CE: SctpState.COOKIE_ECHOED,
  ES: SctpState.ESTABLISHED,
  SS: SctpState.SHUTDOWN_SENT,
  SR: SctpState.SHUTDOWN_RECD,
  SA: SctpState.SHUTDOWN_ACK_SENT,
  HS: SctpState.HEARTBEAT_SENT,
  HA: SctpState.HEARTBEAT_ACKED,
};
const INVALID = 0xff;

/** What stands for "other", beside DATA: nothing with a bit of its own either. */
const OTHER: readonly (readonly ChunkName[])[] = [['DATA'], ['SACK'], ['ERROR', 'DATA'], []];

const bits = (chunks: readonly ChunkName[]): number =>
  chunks.reduce((sum, name) => sum | (1 << CHUNK[name]), 0);

const core = await openInnerCore();
const { nextSctpState, sctpTimeoutMs, isSctpClosing } = core.exports;

for (const [direction, text] of [
  ['original', ORIGINAL],
  ['reply', REPLY],
] as const) {
  test(`sctp-state: every transition in the ${direction} direction is the one it should be`, (t) => {
    const [columns = '', ...rows] = text.trim().split('\n');
    const states = columns.trim().split(/\s+/);
    t.is(rows.length, 11);
    for (const row of rows) {
      const [event = '', ...cells] = row.trim().split(/\s+/);
      t.is(cells.length, 10);
      cells.forEach((cell, i) => {
        const state = STATES[states[i] ?? ''] ?? INVALID;
        const expected = cell === 'IV' ? INVALID : cell === 'IG' ? state : STATES[cell];
        for (const chunks of event === 'other' ? OTHER : [[event as ChunkName]]) {
          const next = nextSctpState(state, bits(chunks), direction === 'reply');
          t.is(next, expected ?? -1, `${event} in ${String(states[i])}`);
        }
      });
    }
  });
}

test('sctp-state: of chunks that travel together the one that says most counts', (t) => {
  const next = (...chunks: ChunkName[]) =>
    nextSctpState(SctpState.ESTABLISHED, bits(chunks), false);
  t.is(next('SACK', 'SHUTDOWN'), SctpState.SHUTDOWN_SENT);
  t.is(next('SACK', 'ERROR', 'ABORT'), SctpState.CLOSED);
  t.is(next('SHUTDOWN', 'ABORT'), SctpState.CLOSED);
  t.is(next('SACK', 'HEARTBEAT', 'SHUTDOWN_ACK'), SctpState.SHUTDOWN_ACK_SENT);
  t.is(next('HEARTBEAT', 'DATA'), SctpState.ESTABLISHED);
  t.is(
    nextSctpState(SctpState.COOKIE_WAIT, bits(['COOKIE_ECHO', 'DATA']), false),
    SctpState.COOKIE_ECHOED,
  );
});

/** A whole association, one packet after the other, as RFC 9260 5.1 and 9.2 draw it. */
const LIFE: readonly (readonly [ChunkName, boolean, SctpState])[] = [
  ['INIT', false, SctpState.COOKIE_WAIT],
  ['INIT_ACK', true, SctpState.COOKIE_WAIT],
  ['COOKIE_ECHO', false, SctpState.COOKIE_ECHOED],
  ['COOKIE_ACK', true, SctpState.ESTABLISHED],
  ['DATA', false, SctpState.ESTABLISHED],
  ['SACK', true, SctpState.ESTABLISHED],
  ['HEARTBEAT', true, SctpState.ESTABLISHED],
  ['HEARTBEAT_ACK', false, SctpState.ESTABLISHED],
  ['SHUTDOWN', true, SctpState.SHUTDOWN_RECD],
  ['SHUTDOWN_ACK', false, SctpState.SHUTDOWN_ACK_SENT],
  ['SHUTDOWN_COMPLETE', true, SctpState.CLOSED],
];

test('sctp-state: an association lives from INIT to SHUTDOWN COMPLETE', (t) => {
  let state: number = SctpState.NONE;
  for (const [chunk, reply, expected] of LIFE) {
    state = nextSctpState(state, bits([chunk]), reply);
    t.is(SctpState[state], SctpState[expected], chunk);
  }
});

test('sctp-state: both ends may open at once', (t) => {
  let state: number = SctpState.NONE;
  for (const [chunk, reply] of [
    ['INIT', false],
    ['INIT', true],
    ['INIT_ACK', false],
    ['COOKIE_ECHO', true],
    ['COOKIE_ACK', false],
  ] as const) {
    state = nextSctpState(state, bits([chunk]), reply);
  }
  t.is(state, SctpState.ESTABLISHED);
});

test("sctp-state: every timeout is Linux's", (t) => {
  const seconds = {
    CLOSED: 10,
    COOKIE_WAIT: 3,
    COOKIE_ECHOED: 3,
    ESTABLISHED: 432000,
    SHUTDOWN_SENT: 3,
    SHUTDOWN_RECD: 3,
    SHUTDOWN_ACK_SENT: 3,
    HEARTBEAT_SENT: 30,
    HEARTBEAT_ACKED: 210,
  } as const;
  for (const [name, expected] of Object.entries(seconds)) {
    t.is(sctpTimeoutMs(SctpState[name as keyof typeof seconds]), expected * 1000, name);
  }
});

test('sctp-state: an INIT begins anew in these states and no others', (t) => {
  const over = Object.values(STATES).filter((state) => isSctpClosing(state) !== 0);
  t.deepEqual(over, [
    SctpState.CLOSED,
    SctpState.SHUTDOWN_SENT,
    SctpState.SHUTDOWN_RECD,
    SctpState.SHUTDOWN_ACK_SENT,
  ]);
});
