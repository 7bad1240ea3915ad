//! One thing that happened, in 32 octets.
//!
//! ```text
//! octet 0        16       20     24          30     31     32
//!       │ payload │ serial │ flow │ time, µs  │ kind │ sub  │   all little-endian
//! ```

use crate::tcp::{Cause, Flags, Marks, Rule, Segment, Seq, State};
use crate::time::Instant;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One event; [`View`] says what it means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Event {
    payload: [u32; 4],
    serial: u32,
    flow: u32,
    time: [u16; 3],
    kind: u8,
    sub: u8,
}

const _: () = assert!(size_of::<Event>() == 32, "an event is 32 octets");

/// Why a segment reached no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Drop {
    /// No connection and no listener has these addresses.
    Unmatched = 0,
    /// A checksum is wrong.
    Checksum = 1,
    /// A limit was reached.
    Limit = 2,
}

/// What an event means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum View {
    /// A connection begins; its addresses follow unless both are IPv4.
    Opened {
        /// Whether our end opened it.
        active: bool,
        /// Our port and the peer's.
        ports: (u16, u16),
        /// The addresses, when both are IPv4.
        addresses: Option<(Ipv4Addr, Ipv4Addr)>,
    },
    /// The local IPv6 address of the connection that began last, or the remote one.
    Address {
        /// Whether it is ours.
        local: bool,
        /// The address.
        address: Ipv6Addr,
    },
    /// Events were overwritten before they could be read.
    Lost {
        /// How many.
        events: u32,
    },
    /// A segment was sent or received.
    Segment {
        /// Whether we sent it.
        sent: bool,
        /// Its control bits.
        flags: Flags,
        /// Its first number.
        seq: Seq,
        /// The number it acknowledges.
        ack: Seq,
        /// Its octets of payload; 65,535 stands for that many or more.
        len: u16,
        /// Its window, unscaled.
        window: u16,
        /// Our state before and after.
        states: (State, State),
        /// What is remarkable about it.
        marks: Marks,
    },
    /// What the SYN that was sent or received last says beside its header.
    Options {
        /// Whether we sent it.
        sent: bool,
        /// The largest segment its sender takes.
        mss: Option<u16>,
        /// The shift of its sender's windows.
        scale: Option<u8>,
    },
    /// A segment was received that reached no connection.
    Dropped {
        /// Why.
        why: u8,
        /// Its first number.
        seq: Seq,
        /// Its octets of payload.
        len: u32,
    },
    /// Our state changed.
    State {
        /// The state before.
        from: State,
        /// What happened.
        cause: Cause,
        /// The state after.
        to: State,
        /// SND.UNA.
        una: Seq,
        /// RCV.NXT.
        rcv_nxt: Seq,
    },
    /// The guard of a connection acted.
    Guarded {
        /// Which rule.
        rule: Rule,
        /// Whether it acted on what we send, or by its own timer on our behalf.
        outward: bool,
        /// SND.UNA.
        una: Seq,
        /// The furthest number the peer granted.
        edge: Seq,
    },
    /// A machine above TCP changed its state.
    App {
        /// Which machine: the number of an [`App`](super::App).
        machine: u8,
        /// Its state before and after, by their numbers.
        states: (u8, u8),
        /// The reply code sent or received with it.
        reply: u8,
    },
    /// A connection is over, with its octets received and sent.
    Ended {
        /// Octets received, repetitions included.
        received: u64,
        /// Octets sent, repetitions included.
        sent: u64,
    },
}

const OPENED: u8 = 0x01;
const LOCAL: u8 = 0x02;
const REMOTE: u8 = 0x03;
const LOST: u8 = 0x05;
const SENT: u8 = 0x10;
const RECEIVED: u8 = 0x11;
const OPTIONS: u8 = 0x13;
const DROPPED: u8 = 0x14;
const GUARDED: u8 = 0x15;
const STATE: u8 = 0x20;
const APP: u8 = 0x60;
const ENDED: u8 = 0x7f;

impl Event {
    /// Returns an event of this kind and payload, without serial, flow and time.
    const fn new(kind: u8, sub: u8, payload: [u32; 4]) -> Self {
        Self { payload, serial: 0, flow: 0, time: [0; 3], kind, sub }
    }

    /// Returns the event with its place in the trace: a serial, a flow (0 is the stack itself) and a time.
    #[must_use]
    pub const fn at(mut self, serial: u32, flow: u32, now: Instant) -> Self {
        let micros = now.micros().to_le_bytes();
        self.serial = serial;
        self.flow = flow;
        self.time = [
            u16::from_le_bytes([micros[0], micros[1]]),
            u16::from_le_bytes([micros[2], micros[3]]),
            u16::from_le_bytes([micros[4], micros[5]]),
        ];
        self
    }

    /// Makes an event of what it means.
    pub const fn of(view: View) -> Self {
        match view {
            View::Opened { active, ports, addresses } => {
                let ports = (ports.0 as u32) << 16 | ports.1 as u32;
                match addresses {
                    Some((local, remote)) => {
                        Self::new(OPENED, active as u8, [local.to_bits(), remote.to_bits(), ports, 0])
                    }
                    None => Self::new(OPENED, active as u8 | 2, [0, 0, ports, 0]),
                }
            }
            View::Address { local, address } => {
                let bits = address.to_bits();
                let words = [(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32];
                Self::new(if local { LOCAL } else { REMOTE }, 0, words)
            }
            View::Lost { events } => Self::new(LOST, 0, [events, 0, 0, 0]),
            View::Segment { sent, flags, seq, ack, len, window, states, marks } => {
                let sizes = (len as u32) << 16 | window as u32;
                let rest = (states.0 as u32) << 28 | (states.1 as u32) << 24 | marks.0 as u32;
                Self::new(if sent { SENT } else { RECEIVED }, flags.0, [seq.0, ack.0, sizes, rest])
            }
            View::Options { sent, mss, scale } => {
                let bits = sent as u8 | (mss.is_some() as u8) << 1 | (scale.is_some() as u8) << 2;
                let (mss, scale) = (
                    match mss {
                        Some(mss) => mss as u32,
                        None => 0,
                    },
                    match scale {
                        Some(scale) => scale as u32,
                        None => 0,
                    },
                );
                Self::new(OPTIONS, bits, [mss << 16 | scale << 8, 0, 0, 0])
            }
            View::Dropped { why, seq, len } => Self::new(DROPPED, why, [seq.0, 0, len, 0]),
            View::State { from, cause, to, una, rcv_nxt } => {
                Self::new(STATE, cause as u8, [(from as u32) << 4 | to as u32, 0, una.0, rcv_nxt.0])
            }
            View::Guarded { rule, outward, una, edge } => {
                Self::new(GUARDED, rule as u8, [outward as u32, 0, una.0, edge.0])
            }
            View::App { machine, states, reply } => {
                let word = (states.0 as u32) << 16 | (states.1 as u32) << 8 | reply as u32;
                Self::new(APP, machine, [word, 0, 0, 0])
            }
            View::Ended { received, sent } => {
                let words = [(received >> 32) as u32, received as u32, (sent >> 32) as u32, sent as u32];
                Self::new(ENDED, 0, words)
            }
        }
    }

    /// Returns what the event means; `None` for a kind that this version does not know.
    pub fn view(&self) -> Option<View> {
        let [p0, p1, p2, p3] = self.payload;
        let bits = |shift: u32| State::from_u8((p3 >> shift & 0xf) as u8);
        Some(match self.kind {
            OPENED => View::Opened {
                active: self.sub & 1 != 0,
                ports: ((p2 >> 16) as u16, p2 as u16),
                addresses: (self.sub & 2 == 0).then_some((Ipv4Addr::from_bits(p0), Ipv4Addr::from_bits(p1))),
            },
            LOCAL | REMOTE => {
                let bits =
                    u128::from(p0) << 96 | u128::from(p1) << 64 | u128::from(p2) << 32 | u128::from(p3);
                View::Address { local: self.kind == LOCAL, address: Ipv6Addr::from_bits(bits) }
            }
            LOST => View::Lost { events: p0 },
            SENT | RECEIVED => View::Segment {
                sent: self.kind == SENT,
                flags: Flags(self.sub),
                seq: Seq(p0),
                ack: Seq(p1),
                len: (p2 >> 16) as u16,
                window: p2 as u16,
                states: (bits(28)?, bits(24)?),
                marks: Marks(p3 as u16),
            },
            OPTIONS => View::Options {
                sent: self.sub & 1 != 0,
                mss: (self.sub & 2 != 0).then_some((p0 >> 16) as u16),
                scale: (self.sub & 4 != 0).then_some((p0 >> 8) as u8),
            },
            DROPPED => View::Dropped { why: self.sub, seq: Seq(p0), len: p2 },
            STATE => View::State {
                from: State::from_u8((p0 >> 4 & 0xf) as u8)?,
                cause: Cause::from_u8(self.sub)?,
                to: State::from_u8((p0 & 0xf) as u8)?,
                una: Seq(p2),
                rcv_nxt: Seq(p3),
            },
            GUARDED => View::Guarded {
                rule: Rule::from_u8(self.sub)?,
                outward: p0 != 0,
                una: Seq(p2),
                edge: Seq(p3),
            },
            APP => {
                View::App { machine: self.sub, states: ((p0 >> 16) as u8, (p0 >> 8) as u8), reply: p0 as u8 }
            }
            ENDED => View::Ended {
                received: u64::from(p0) << 32 | u64::from(p1),
                sent: u64::from(p2) << 32 | u64::from(p3),
            },
            _ => return None,
        })
    }

    /// Returns the event's number; a gap to the one before says that events were lost.
    pub const fn serial(&self) -> u32 {
        self.serial
    }

    /// Returns the number of the connection, never reused within a trace; 0 is the stack itself.
    pub const fn flow(&self) -> u32 {
        self.flow
    }

    /// Returns the time, which wraps after 8 years.
    pub fn time(&self) -> Instant {
        let [low, middle, high] = self.time;
        Instant::from_micros(u64::from(high) << 32 | u64::from(middle) << 16 | u64::from(low))
    }

    /// Writes the event as it stands in a file or on a wire.
    pub fn encode(&self) -> [u8; 32] {
        let mut octets = [0; 32];
        let words = self.payload.iter().chain([&self.serial, &self.flow]);
        for (place, word) in octets.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        for (place, half) in octets[24..30].chunks_exact_mut(2).zip(self.time) {
            place.copy_from_slice(&half.to_le_bytes());
        }
        octets[30] = self.kind;
        octets[31] = self.sub;
        octets
    }

    /// Reads an event that [`encode`](Self::encode) wrote.
    pub fn decode(octets: &[u8; 32]) -> Self {
        let word =
            |at: usize| u32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        let half = |at: usize| u16::from_le_bytes([octets[at], octets[at + 1]]);
        Self {
            payload: [word(0), word(4), word(8), word(12)],
            serial: word(16),
            flow: word(20),
            time: [half(24), half(26), half(28)],
            kind: octets[30],
            sub: octets[31],
        }
    }
}

impl View {
    /// Returns the view of a segment.
    pub fn segment(sent: bool, segment: &Segment, states: (State, State), marks: Marks) -> Self {
        Self::Segment {
            sent,
            flags: segment.flags,
            seq: segment.seq,
            ack: segment.ack,
            len: u16::try_from(segment.len).unwrap_or(u16::MAX),
            window: segment.window,
            states,
            marks,
        }
    }

    /// Returns the view of an opening, and those of its addresses if they are IPv6.
    pub fn opening(active: bool, local: (IpAddr, u16), remote: (IpAddr, u16)) -> [Option<Self>; 3] {
        let ports = (local.1, remote.1);
        match (local.0, remote.0) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                [Some(Self::Opened { active, ports, addresses: Some((ours, theirs)) }), None, None]
            }
            (ours, theirs) => {
                let wide = |ip: IpAddr| match ip {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                [
                    Some(Self::Opened { active, ports, addresses: None }),
                    Some(Self::Address { local: true, address: wide(ours) }),
                    Some(Self::Address { local: false, address: wide(theirs) }),
                ]
            }
        }
    }
}
