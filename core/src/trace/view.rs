//! What an event means.

use super::{Call, Hold, Tick, Timer};
use crate::tcp::{Cause, Flags, Law, Marks, Rule, Segment, Seq, State};
use crate::time::Instant;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
    /// The time of the trace's clock, as the calendar has it.
    Clock {
        /// Nanoseconds since 1970-01-01 00:00 UTC, leap seconds not counted.
        unix: u64,
    },
    /// Where a connection stood when events before the ones that follow were lost; its variables follow.
    Snapshot {
        /// Our state.
        state: State,
        /// Our initial sequence number and the peer's, as far as they were seen.
        origins: (Option<Seq>, Option<Seq>),
        /// The shifts of our windows and of the peer's, where the SYNs had them.
        scales: (Option<u8>, Option<u8>),
        /// Whether our FIN was sent, and whether the peer's was taken.
        fins: (bool, bool),
    },
    /// How far a connection that a snapshot tells of had come at its edges, as far as it was seen.
    Edges {
        /// The furthest number the peer let us send up to.
        granted: Option<Seq>,
        /// The furthest number we let the peer send up to.
        advertised: Option<Seq>,
        /// The number after the highest that was received.
        heard: Option<Seq>,
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
    /// What the segment before says was received out of order (RFC 2018 §3).
    Sacked {
        /// Whether we sent it.
        sent: bool,
        /// Left and right edge of the first two blocks.
        blocks: [Option<(Seq, Seq)>; 2],
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
    /// The variables of a connection (RFC 9293 §3.3.1).
    Vars {
        /// SND.UNA.
        una: Seq,
        /// SND.NXT.
        nxt: Seq,
        /// RCV.NXT.
        rcv_nxt: Seq,
        /// SND.WND in octets.
        snd_wnd: u32,
    },
    /// What waits at a connection, in octets.
    Queues {
        /// Given by the owner and not sent.
        unsent: u32,
        /// Received and not read by the owner.
        unread: u32,
        /// What is left of the window last advertised.
        rcv_wnd: u32,
        /// Sent and not acknowledged.
        flight: u32,
    },
    /// A timer was set or has ended.
    Timer {
        /// Which timer.
        timer: Timer,
        /// What became of it.
        tick: Tick,
        /// When it is due.
        due: Instant,
        /// How often it has expired in a row.
        backoff: u32,
    },
    /// The owner called.
    Call {
        /// What it called.
        call: Call,
        /// Octets it asked for; 0 where a call is about none.
        asked: u32,
        /// Octets it got through.
        done: u32,
    },
    /// Octets wait, or wait no longer.
    Blocked {
        /// Whether they wait from now on.
        on: bool,
        /// What they wait for.
        why: Hold,
        /// How many.
        waiting: u32,
        /// How long they have waited, in microseconds.
        micros: u32,
    },
    /// A datagram was sent or received; the peer's address follows if it is IPv6.
    Datagram {
        /// Whether we sent it.
        sent: bool,
        /// Our port and the peer's.
        ports: (u16, u16),
        /// The peer's address, when it is IPv4.
        remote: Option<Ipv4Addr>,
        /// Its octets of payload.
        len: u16,
    },
    /// An ICMP message was received (RFC 792, RFC 4443).
    Icmp {
        /// Whether it is of IPv6.
        six: bool,
        /// Its type.
        kind: u8,
        /// Its code.
        code: u8,
        /// The second word of its header: an MTU, an identifier, or nothing.
        word: u32,
        /// The ports of the segment it quotes, from its sender's side; 0 where there is none.
        ports: (u16, u16),
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
    /// A file moves.
    Transfer {
        /// Whether we send it.
        sending: bool,
        /// The machine's state before and after, by their numbers.
        states: (u8, u8),
        /// Octets that have moved.
        done: u64,
        /// Octets of the whole file, at most 2⁴⁸ - 1.
        total: u64,
    },
    /// An event broke a rule.
    Verdict {
        /// The rule.
        law: Law,
        /// The number of the event.
        accused: u32,
        /// What was found, and what bounds it, where these are numbers.
        found: (u32, u32),
    },
    /// A connection is over, with its octets received and sent.
    Ended {
        /// Octets received, repetitions included.
        received: u64,
        /// Octets sent, repetitions included.
        sent: u64,
    },
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
