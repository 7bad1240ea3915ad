//! Kinds of events by their numbers, and where in the octets each says what.

use super::{Call, Event, Hold, Tick, Timer, View};
use crate::tcp::{Cause, Flags, Law, Marks, Rule, Seq, State};
use crate::time::Instant;
use core::net::{Ipv4Addr, Ipv6Addr};

const OPENED: u8 = 0x01;
const LOCAL: u8 = 0x02;
const REMOTE: u8 = 0x03;
const CLOCK: u8 = 0x04;
const LOST: u8 = 0x05;
const SNAPSHOT: u8 = 0x06;
const EDGES: u8 = 0x07;
const SENT: u8 = 0x10;
const RECEIVED: u8 = 0x11;
const SACKED: u8 = 0x12;
const OPTIONS: u8 = 0x13;
const DROPPED: u8 = 0x14;
const GUARDED: u8 = 0x15;
const DATAGRAM_SENT: u8 = 0x18;
const DATAGRAM_RECEIVED: u8 = 0x19;
const ICMP: u8 = 0x1a;
const STATE: u8 = 0x20;
const VARS: u8 = 0x30;
const QUEUES: u8 = 0x31;
const TIMER: u8 = 0x40;
const CALL: u8 = 0x50;
const BLOCKED: u8 = 0x51;
const APP: u8 = 0x60;
const TRANSFER: u8 = 0x61;
const VERDICT: u8 = 0x70;
const ENDED: u8 = 0x7f;

/// The most a file's size can be told as.
const MOST: u64 = (1 << 48) - 1;

impl Event {
    /// Makes an event of what it means.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind, and no kind twice")]
    pub const fn of(view: View) -> Self {
        match view {
            View::Opened { active, ports, addresses } => match addresses {
                Some((local, remote)) => {
                    Self::new(OPENED, active as u8, [local.to_bits(), remote.to_bits(), two(ports), 0])
                }
                None => Self::new(OPENED, active as u8 | 2, [0, 0, two(ports), 0]),
            },
            View::Address { local, address } => {
                let bits = address.to_bits();
                let words = [(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32];
                Self::new(if local { LOCAL } else { REMOTE }, 0, words)
            }
            View::Clock { unix } => Self::new(CLOCK, 0, [high(unix), unix as u32, 0, 0]),
            View::Lost { events } => Self::new(LOST, 0, [events, 0, 0, 0]),
            View::Snapshot { state, origins, scales, fins } => {
                let known = flag(origins.0.is_some(), 4) | flag(origins.1.is_some(), 5);
                let ended = flag(fins.0, 6) | flag(fins.1, 7);
                let shifts = (shift_out(scales.0) as u32) << 8 | shift_out(scales.1) as u32;
                let words = [seq_out(origins.0), seq_out(origins.1), shifts, 0];
                Self::new(SNAPSHOT, state as u8 | known | ended, words)
            }
            View::Edges { granted, advertised, heard } => {
                let known =
                    flag(granted.is_some(), 0) | flag(advertised.is_some(), 1) | flag(heard.is_some(), 2);
                Self::new(EDGES, known, [seq_out(granted), seq_out(advertised), seq_out(heard), 0])
            }
            View::Segment { sent, flags, seq, ack, len, window, states, marks } => {
                let rest = (states.0 as u32) << 28 | (states.1 as u32) << 24 | marks.0 as u32;
                let words = [seq.0, ack.0, two((len, window)), rest];
                Self::new(if sent { SENT } else { RECEIVED }, flags.0, words)
            }
            View::Sacked { sent, blocks } => {
                let bits = flag(sent, 0) | flag(blocks[0].is_some(), 1) | flag(blocks[1].is_some(), 2);
                let ([first, second], [third, fourth]) = (block_out(blocks[0]), block_out(blocks[1]));
                Self::new(SACKED, bits, [first, second, third, fourth])
            }
            View::Options { sent, mss, scale } => {
                let bits = flag(sent, 0) | flag(mss.is_some(), 1) | flag(scale.is_some(), 2);
                let size = match mss {
                    Some(mss) => mss,
                    None => 0,
                };
                let shift = match scale {
                    Some(scale) => (scale as u16) << 8,
                    None => 0,
                };
                Self::new(OPTIONS, bits, [two((size, shift)), 0, 0, 0])
            }
            View::Dropped { why, seq, len } => Self::new(DROPPED, why, [seq.0, 0, len, 0]),
            View::State { from, cause, to, una, rcv_nxt } => {
                Self::new(STATE, cause as u8, [(from as u32) << 4 | to as u32, 0, una.0, rcv_nxt.0])
            }
            View::Guarded { rule, outward, una, edge } => {
                Self::new(GUARDED, rule as u8, [outward as u32, 0, una.0, edge.0])
            }
            View::Vars { una, nxt, rcv_nxt, snd_wnd } => {
                Self::new(VARS, 0, [una.0, nxt.0, rcv_nxt.0, snd_wnd])
            }
            View::Queues { unsent, unread, rcv_wnd, flight } => {
                Self::new(QUEUES, 0, [unsent, unread, rcv_wnd, flight])
            }
            View::Timer { timer, tick, due, backoff } => {
                let micros = due.micros();
                Self::new(TIMER, timer as u8 | (tick as u8) << 4, [high(micros), micros as u32, 0, backoff])
            }
            View::Call { call, asked, done } => Self::new(CALL, call as u8, [asked, done, 0, 0]),
            View::Blocked { on, why, waiting, micros } => {
                Self::new(BLOCKED, why as u8 | flag(on, 7), [waiting, micros, 0, 0])
            }
            View::Datagram { sent, ports, remote, len } => {
                let (six, address) = match remote {
                    Some(remote) => (0, remote.to_bits()),
                    None => (1, 0),
                };
                let kind = if sent { DATAGRAM_SENT } else { DATAGRAM_RECEIVED };
                Self::new(kind, six, [address, two(ports), len as u32, 0])
            }
            View::Icmp { six, kind, code, word, ports } => {
                Self::new(ICMP, flag(six, 0), [(kind as u32) << 8 | code as u32, word, two(ports), 0])
            }
            View::App { machine, states, reply } => {
                let word = (states.0 as u32) << 16 | (states.1 as u32) << 8 | reply as u32;
                Self::new(APP, machine, [word, 0, 0, 0])
            }
            View::Transfer { sending, states, done, total } => {
                let total = if total > MOST { MOST } else { total };
                let word = (states.0 as u32) << 24 | (states.1 as u32) << 16 | high(total);
                Self::new(TRANSFER, flag(sending, 0), [word, high(done), done as u32, total as u32])
            }
            View::Verdict { law, accused, found } => {
                Self::new(VERDICT, law as u8, [accused, 0, found.0, found.1])
            }
            View::Ended { received, sent } => {
                Self::new(ENDED, 0, [high(received), received as u32, high(sent), sent as u32])
            }
        }
    }

    /// Returns what the event means; `None` for a kind that this version does not know.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind, and no kind twice")]
    pub fn view(&self) -> Option<View> {
        let (kind, sub, [p0, p1, p2, p3]) = self.parts();
        let bit = |at: u8| sub >> at & 1 != 0;
        let long = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        Some(match kind {
            OPENED => View::Opened {
                active: bit(0),
                ports: halves(p2),
                addresses: (!bit(1)).then_some((Ipv4Addr::from_bits(p0), Ipv4Addr::from_bits(p1))),
            },
            LOCAL | REMOTE => {
                let bits = u128::from(long(p0, p1)) << 64 | u128::from(long(p2, p3));
                View::Address { local: kind == LOCAL, address: Ipv6Addr::from_bits(bits) }
            }
            CLOCK => View::Clock { unix: long(p0, p1) },
            LOST => View::Lost { events: p0 },
            SNAPSHOT => View::Snapshot {
                state: State::from_u8(sub & 0xf)?,
                origins: (bit(4).then_some(Seq(p0)), bit(5).then_some(Seq(p1))),
                scales: (shift_in((p2 >> 8) as u8), shift_in(p2 as u8)),
                fins: (bit(6), bit(7)),
            },
            EDGES => View::Edges {
                granted: bit(0).then_some(Seq(p0)),
                advertised: bit(1).then_some(Seq(p1)),
                heard: bit(2).then_some(Seq(p2)),
            },
            SENT | RECEIVED => View::Segment {
                sent: kind == SENT,
                flags: Flags(sub),
                seq: Seq(p0),
                ack: Seq(p1),
                len: halves(p2).0,
                window: halves(p2).1,
                states: (State::from_u8((p3 >> 28) as u8)?, State::from_u8((p3 >> 24 & 0xf) as u8)?),
                marks: Marks(p3 as u16),
            },
            SACKED => View::Sacked {
                sent: bit(0),
                blocks: [bit(1).then_some((Seq(p0), Seq(p1))), bit(2).then_some((Seq(p2), Seq(p3)))],
            },
            OPTIONS => View::Options {
                sent: bit(0),
                mss: bit(1).then_some(halves(p0).0),
                scale: if bit(2) { shift_in((p0 >> 8) as u8) } else { None },
            },
            DROPPED => View::Dropped { why: sub, seq: Seq(p0), len: p2 },
            STATE => View::State {
                from: State::from_u8((p0 >> 4 & 0xf) as u8)?,
                cause: Cause::from_u8(sub)?,
                to: State::from_u8((p0 & 0xf) as u8)?,
                una: Seq(p2),
                rcv_nxt: Seq(p3),
            },
            GUARDED => {
                View::Guarded { rule: Rule::from_u8(sub)?, outward: p0 != 0, una: Seq(p2), edge: Seq(p3) }
            }
            VARS => View::Vars { una: Seq(p0), nxt: Seq(p1), rcv_nxt: Seq(p2), snd_wnd: p3 },
            QUEUES => View::Queues { unsent: p0, unread: p1, rcv_wnd: p2, flight: p3 },
            TIMER => View::Timer {
                timer: Timer::from_u8(sub & 0xf)?,
                tick: Tick::from_u8(sub >> 4)?,
                due: Instant::from_micros(long(p0, p1)),
                backoff: p3,
            },
            CALL => View::Call { call: Call::from_u8(sub)?, asked: p0, done: p1 },
            BLOCKED => View::Blocked { on: bit(7), why: Hold::from_u8(sub & 0x7f)?, waiting: p0, micros: p1 },
            DATAGRAM_SENT | DATAGRAM_RECEIVED => View::Datagram {
                sent: kind == DATAGRAM_SENT,
                ports: halves(p1),
                remote: (!bit(0)).then_some(Ipv4Addr::from_bits(p0)),
                len: p2 as u16,
            },
            ICMP => {
                View::Icmp { six: bit(0), kind: (p0 >> 8) as u8, code: p0 as u8, word: p1, ports: halves(p2) }
            }
            APP => View::App { machine: sub, states: ((p0 >> 16) as u8, (p0 >> 8) as u8), reply: p0 as u8 },
            TRANSFER => View::Transfer {
                sending: bit(0),
                states: ((p0 >> 24) as u8, (p0 >> 16) as u8),
                done: long(p1, p2),
                total: long(p0 & 0xffff, p3),
            },
            VERDICT => View::Verdict { law: Law::from_u8(sub)?, accused: p0, found: (p2, p3) },
            ENDED => View::Ended { received: long(p0, p1), sent: long(p2, p3) },
            _ => return None,
        })
    }
}

/// Returns a bit where `set` holds.
const fn flag(set: bool, at: u8) -> u8 {
    (set as u8) << at
}

const fn high(long: u64) -> u32 {
    (long >> 32) as u32
}

const fn two(pair: (u16, u16)) -> u32 {
    (pair.0 as u32) << 16 | pair.1 as u32
}

const fn halves(word: u32) -> (u16, u16) {
    ((word >> 16) as u16, word as u16)
}

const fn seq_out(seq: Option<Seq>) -> u32 {
    match seq {
        Some(seq) => seq.0,
        None => 0,
    }
}

const fn block_out(block: Option<(Seq, Seq)>) -> [u32; 2] {
    match block {
        Some((left, right)) => [left.0, right.0],
        None => [0; 2],
    }
}

/// Stands for a shift that no SYN has told.
const NO_SHIFT: u8 = 0xff;

const fn shift_out(shift: Option<u8>) -> u8 {
    match shift {
        Some(shift) => shift,
        None => NO_SHIFT,
    }
}

/// Returns a shift; one over 14 counts as 14 (RFC 7323 §2.3), in a damaged trace as on the wire.
fn shift_in(shift: u8) -> Option<u8> {
    (shift != NO_SHIFT).then_some(shift.min(14))
}
