import test from 'ava';
import { TcpState } from '../../assembly/abi.js';
import { openInnerCore } from '../support/inner-core.js';

// Linux's table (net/netfilter/nf_conntrack_proto_tcp.c, tcp_conntracks) in words. Columns: the
// current state; cells: the next one, IG = keep it, IV = the segment is invalid.
const ORIGINAL = `
             NO SS SR ES FW CW LA TW CL S2
  SYN        SS SS IG IG IG IG IG SS SS S2
  SYN+ACK    IV IV IG IG IG IG IG IG IG SR
  FIN        IV IV FW FW LA LA LA TW CL IV
  ACK        ES IV ES ES CW CW TW TW CL IV
  RST        IV CL CL CL CL CL CL CL CL CL
  no-flags   IV IV IV IV IV IV IV IV IV IV`;
const REPLY = `
             NO SS SR ES FW CW LA TW CL S2
  SYN        IV S2 IV IV IV IV IV IV IV S2
  SYN+ACK    IV SR IG IG IG IG IG IG IG SR
  FIN        IV IV FW FW LA LA LA TW CL IV
  ACK        IV IG SR ES CW CW TW TW CL IG
  RST        IV CL CL CL CL CL CL CL CL CL
  no-flags   IV IV IV IV IV IV IV IV IV IV`;

const STATES: Readonly<Record<string, TcpState>> = {
  NO: TcpState.NONE,
  SS: TcpState.SYN_SENT,
  SR: TcpState.SYN_RECV,
  ES: TcpState.ESTABLISHED,
  FW: TcpState.FIN_WAIT,
  CW: TcpState.CLOSE_WAIT,
  LA: TcpState.LAST_ACK,
  TW: TcpState.TIME_WAIT,
  CL: TcpState.CLOSE,
  S2: TcpState.SYN_SENT2,
};
const INVALID = 0xff;
const [FIN, SYN, RST, PSH, ACK, URG] = [1, 2, 4, 8, 16, 32] as const;

/** Flag sets that select a row: RST before SYN before FIN before ACK. */
const FLAGS: Readonly<Record<string, readonly number[]>> = {
  SYN: [SYN, SYN | URG, SYN | FIN],
  'SYN+ACK': [SYN | ACK, SYN | ACK | PSH, SYN | ACK | FIN],
  FIN: [FIN | ACK, FIN, FIN | ACK | PSH | URG],
  ACK: [ACK, ACK | PSH, ACK | URG],
  RST: [RST, RST | ACK, RST | SYN, RST | SYN | FIN | ACK],
  'no-flags': [0, PSH, URG | PSH],
};

const core = await openInnerCore();
const { nextTcpState, tcpTimeoutMs, isTcpClosed } = core.exports;

for (const [direction, text] of [
  ['original', ORIGINAL],
  ['reply', REPLY],
] as const) {
  test(`tcp-state: every transition in the ${direction} direction is Linux's`, (t) => {
    const [columns = '', ...rows] = text.trim().split('\n');
    const states = columns.trim().split(/\s+/);
    t.is(rows.length, 6);
    for (const row of rows) {
      const [event = '', ...cells] = row.trim().split(/\s+/);
      t.is(cells.length, 10);
      cells.forEach((cell, i) => {
        const state = STATES[states[i] ?? ''] ?? INVALID;
        const expected = cell === 'IV' ? INVALID : cell === 'IG' ? state : STATES[cell];
        for (const flags of FLAGS[event] ?? []) {
          const next = nextTcpState(state, flags, direction === 'reply');
          t.is(next, expected ?? -1, `${event} (${flags}) in ${String(states[i])}`);
        }
      });
    }
  });
}

test("tcp-state: every timeout is Linux's", (t) => {
  const seconds = {
    SYN_SENT: 120,
    SYN_RECV: 60,
    ESTABLISHED: 432000,
    FIN_WAIT: 120,
    CLOSE_WAIT: 60,
    LAST_ACK: 30,
    TIME_WAIT: 120,
    CLOSE: 10,
    SYN_SENT2: 120,
  } as const;
  for (const [name, expected] of Object.entries(seconds)) {
    t.is(tcpTimeoutMs(TcpState[name as keyof typeof seconds]), expected * 1000, name);
  }
});

test('tcp-state: a connection is over in these states and no others', (t) => {
  const over = Object.values(STATES).filter((state) => isTcpClosed(state) !== 0);
  t.deepEqual(over, [TcpState.LAST_ACK, TcpState.TIME_WAIT, TcpState.CLOSE]);
});
