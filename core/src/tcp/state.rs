//! The states of a connection and the edges between them (RFC 9293 §3.3.2, figure 5), as data.
//!
//! ```text
//!                  ┌────────┐ passive open  ┌────────┐
//!                  │ CLOSED │──────────────►│ LISTEN │
//!                  └────────┘               └────────┘
//!        active open │                  rcv SYN │
//!                    ▼       rcv SYN            ▼
//!              ┌──────────┐ ─────────► ┌──────────────┐
//!              │ SYN-SENT │            │ SYN-RECEIVED │
//!              └──────────┘            └──────────────┘
//!         rcv SYN,ACK │                     │ rcv ACK of SYN
//!                     └──►┌─────────────┐◄──┘
//!                         │ ESTABLISHED │
//!               close() ┌─└─────────────┘─┐ rcv FIN
//!                       ▼                 ▼
//!               ┌────────────┐     ┌────────────┐
//!               │ FIN-WAIT-1 │     │ CLOSE-WAIT │
//!               └────────────┘     └────────────┘
//!    rcv ACK of FIN │   │ rcv FIN         │ close()
//!                   ▼   ▼                 ▼
//!        ┌────────────┐ ┌─────────┐  ┌──────────┐
//!        │ FIN-WAIT-2 │ │ CLOSING │  │ LAST-ACK │
//!        └────────────┘ └─────────┘  └──────────┘
//!           rcv FIN │   │ rcv ACK of FIN  │ rcv ACK of FIN
//!                   ▼   ▼                 ▼
//!               ┌───────────┐ 2MSL   ┌────────┐
//!               │ TIME-WAIT │───────►│ CLOSED │
//!               └───────────┘        └────────┘
//! ```

use core::fmt;

/// The state of one end of a connection (RFC 9293 §3.3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum State {
    /// No connection at all.
    #[default]
    Closed = 0,
    /// Waiting for a connection request.
    Listen = 1,
    /// Waiting for the answer to our own request.
    SynSent = 2,
    /// Waiting for the acknowledgment of our SYN, having received one.
    SynReceived = 3,
    /// Open: octets flow both ways.
    Established = 4,
    /// Closed by us; our FIN is not acknowledged.
    FinWait1 = 5,
    /// Closed by us and acknowledged; the peer may still send.
    FinWait2 = 6,
    /// Closed by the peer; we may still send.
    CloseWait = 7,
    /// Closed by both at once; our FIN is not acknowledged.
    Closing = 8,
    /// Closed by the peer, then by us; our FIN is not acknowledged.
    LastAck = 9,
    /// Waiting 2MSL so that nothing of this connection reaches the next.
    TimeWait = 10,
}

impl State {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Closed,
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
    ];

    /// Returns the state with this number, as stored in a trace.
    pub const fn from_u8(number: u8) -> Option<Self> {
        if (number as usize) < Self::ALL.len() { Some(Self::ALL[number as usize]) } else { None }
    }

    /// Returns the RFC's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What made a connection change its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Cause {
    /// The user's passive open, `listen()`.
    Listen = 0,
    /// The user's active open, `connect()`.
    Connect = 1,
    /// The user's `close()`.
    Close = 2,
    /// The user's `abort()`.
    Abort = 3,
    /// A SYN was received.
    Syn = 4,
    /// A SYN with an acknowledgment of ours was received.
    SynAck = 5,
    /// The acknowledgment of our SYN or FIN was received.
    Ack = 6,
    /// The peer's FIN was received, in order.
    Fin = 7,
    /// The peer's FIN with the acknowledgment of ours was received.
    FinAck = 8,
    /// A reset was received.
    Rst = 9,
    /// The 2MSL timer expired.
    TwoMsl = 10,
    /// A user timeout or a deadline of the owner's expired.
    Timeout = 11,
}

impl Cause {
    /// Every cause, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::Listen,
        Self::Connect,
        Self::Close,
        Self::Abort,
        Self::Syn,
        Self::SynAck,
        Self::Ack,
        Self::Fin,
        Self::FinAck,
        Self::Rst,
        Self::TwoMsl,
        Self::Timeout,
    ];

    /// Returns the cause with this number, as stored in a trace.
    pub const fn from_u8(number: u8) -> Option<Self> {
        if (number as usize) < Self::ALL.len() { Some(Self::ALL[number as usize]) } else { None }
    }

    /// Returns the short form that stands in brackets in a ladder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listen => "listen()",
            Self::Connect => "connect()",
            Self::Close => "close()",
            Self::Abort => "abort()",
            Self::Syn => "rcv SYN",
            Self::SynAck => "rcv SYN,ACK",
            Self::Ack => "rcv ACK",
            Self::Fin => "rcv FIN",
            Self::FinAck => "rcv FIN,ACK of FIN",
            Self::Rst => "rcv RST",
            Self::TwoMsl => "2MSL timer",
            Self::Timeout => "timeout",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One legal change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The state before.
    pub from: State,
    /// What happened.
    pub cause: Cause,
    /// The state after.
    pub to: State,
    /// The section of RFC 9293 that says so.
    pub section: &'static str,
}

const fn edge(from: State, cause: Cause, to: State, section: &'static str) -> Edge {
    Edge { from, cause, to, section }
}

/// Every legal change of state that is not a timeout: a timeout leads from any state to CLOSED (RFC 9293 §3.10.8).
pub const EDGES: &[Edge] = &[
    edge(State::Closed, Cause::Listen, State::Listen, "3.10.1"),
    edge(State::Closed, Cause::Connect, State::SynSent, "3.10.1"),
    edge(State::Listen, Cause::Connect, State::SynSent, "3.10.1"),
    edge(State::Listen, Cause::Close, State::Closed, "3.10.4"),
    edge(State::Listen, Cause::Abort, State::Closed, "3.10.5"),
    edge(State::Listen, Cause::Syn, State::SynReceived, "3.10.7.2"),
    edge(State::SynSent, Cause::SynAck, State::Established, "3.10.7.3"),
    edge(State::SynSent, Cause::Syn, State::SynReceived, "3.10.7.3"),
    edge(State::SynSent, Cause::Rst, State::Closed, "3.10.7.3"),
    edge(State::SynSent, Cause::Close, State::Closed, "3.10.4"),
    edge(State::SynSent, Cause::Abort, State::Closed, "3.10.5"),
    edge(State::SynReceived, Cause::Ack, State::Established, "3.10.7.4"),
    edge(State::SynReceived, Cause::Fin, State::CloseWait, "3.10.7.4"),
    edge(State::SynReceived, Cause::Rst, State::Listen, "3.10.7.4"),
    edge(State::SynReceived, Cause::Rst, State::Closed, "3.10.7.4"),
    edge(State::SynReceived, Cause::Syn, State::Listen, "3.10.7.4"),
    edge(State::SynReceived, Cause::Close, State::FinWait1, "3.10.4"),
    edge(State::SynReceived, Cause::Abort, State::Closed, "3.10.5"),
    edge(State::Established, Cause::Close, State::FinWait1, "3.10.4"),
    edge(State::Established, Cause::Fin, State::CloseWait, "3.10.7.4"),
    edge(State::Established, Cause::Rst, State::Closed, "3.10.7.4"),
    edge(State::Established, Cause::Abort, State::Closed, "3.10.5"),
    edge(State::FinWait1, Cause::Ack, State::FinWait2, "3.10.7.4"),
    edge(State::FinWait1, Cause::Fin, State::Closing, "3.10.7.4"),
    edge(State::FinWait1, Cause::FinAck, State::TimeWait, "3.10.7.4"),
    edge(State::FinWait1, Cause::Rst, State::Closed, "3.10.7.4"),
    edge(State::FinWait1, Cause::Abort, State::Closed, "3.10.5"),
    edge(State::FinWait2, Cause::Fin, State::TimeWait, "3.10.7.4"),
    edge(State::FinWait2, Cause::Rst, State::Closed, "3.10.7.4"),
    edge(State::FinWait2, Cause::Abort, State::Closed, "3.10.5"),
    edge(State::CloseWait, Cause::Close, State::LastAck, "3.10.4"),
    edge(State::CloseWait, Cause::Rst, State::Closed, "3.10.7.4"),
    edge(State::CloseWait, Cause::Abort, State::Closed, "3.10.5"),
    edge(State::Closing, Cause::Ack, State::TimeWait, "3.10.7.4"),
    edge(State::Closing, Cause::Rst, State::Closed, "3.10.7.4"),
    edge(State::Closing, Cause::Abort, State::Closed, "3.10.5"),
    edge(State::LastAck, Cause::Ack, State::Closed, "3.10.7.4"),
    edge(State::LastAck, Cause::Rst, State::Closed, "3.10.7.4"),
    edge(State::LastAck, Cause::Abort, State::Closed, "3.10.5"),
    edge(State::TimeWait, Cause::TwoMsl, State::Closed, "3.10.8"),
    edge(State::TimeWait, Cause::Rst, State::Closed, "3.10.7.4"),
    edge(State::TimeWait, Cause::Abort, State::Closed, "3.10.5"),
    edge(State::TimeWait, Cause::Syn, State::SynReceived, "3.6.1"),
];
