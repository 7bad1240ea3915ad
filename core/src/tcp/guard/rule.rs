//! The rules of the guard, each with its name, its RFC section and what it mends.

use core::fmt;

/// One rule of the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Rule {
    /// A FIN behind octets that are cut at our edge is not seen yet.
    FinIn = 0,
    /// Nothing is sent beyond the edge the peer granted, but for the octet of a probe.
    Trim = 1,
    /// The peer's edge never moves left.
    Edge = 2,
    /// The window is never closed while something is in flight.
    One = 3,
    /// No fast retransmit into a window smaller than a segment.
    OverDup = 4,
    /// No fast retransmit when only the FIN is in flight.
    FinDup = 5,
    /// The FIN is repeated until it is acknowledged.
    FinKeep = 6,
    /// Acknowledgments and resets carry a number the peer accepts.
    Seq = 7,
    /// An acknowledgment with a number that was taken back is taken.
    AckSeq = 8,
    /// Octets behind an old acknowledgment are taken.
    OldAck = 9,
    /// A reset needs the exact number, and TIME-WAIT takes none.
    Reset = 10,
    /// A SYN does not disturb a connection that stands.
    Syn = 11,
    /// What was never sent cannot be acknowledged.
    AckMax = 12,
    /// The wire's initial numbers cannot be guessed.
    Isn = 13,
    /// A sender that has fallen asleep is woken.
    Stall = 14,
    /// A peer that owes its FIN is reminded of us.
    Nudge = 15,
    /// The same acknowledgment is not sent over and over.
    Damp = 16,
    /// A silent peer is asked whether it is there, with no octet that could be taken for data.
    KeepAlive = 17,
    /// Octets that came before the FIN are kept until they are read; a rule of the runtime's.
    TimeWait = 18,
    /// The edge that is shown stays a step before the one that smoltcp takes back when it rounds its window down.
    Slack = 19,
}

impl Rule {
    /// Every rule, in the order of their numbers.
    pub const ALL: [Self; 20] = [
        Self::FinIn,
        Self::Trim,
        Self::Edge,
        Self::One,
        Self::OverDup,
        Self::FinDup,
        Self::FinKeep,
        Self::Seq,
        Self::AckSeq,
        Self::OldAck,
        Self::Reset,
        Self::Syn,
        Self::AckMax,
        Self::Isn,
        Self::Stall,
        Self::Nudge,
        Self::Damp,
        Self::KeepAlive,
        Self::TimeWait,
        Self::Slack,
    ];

    /// Returns the rule with this number, as stored in a trace.
    pub const fn from_u8(number: u8) -> Option<Self> {
        if (number as usize) < Self::ALL.len() { Some(Self::ALL[number as usize]) } else { None }
    }

    /// Returns the section that the rule makes smoltcp obey.
    pub const fn section(self) -> &'static str {
        match self {
            Self::FinIn | Self::OldAck | Self::AckSeq => "RFC 9293 §3.10.7.4",
            Self::Trim | Self::Edge | Self::One => "RFC 9293 §3.8.6",
            Self::OverDup | Self::FinDup => "RFC 5681 §3.2",
            Self::FinKeep | Self::Stall | Self::Nudge => "RFC 9293 §3.8.1",
            Self::Seq => "RFC 9293 §3.10.7.4",
            Self::Reset => "RFC 5961 §3.2, RFC 1337 §3",
            Self::Syn => "RFC 5961 §4.2",
            Self::AckMax => "RFC 5961 §5.2",
            Self::Isn => "RFC 6528 §3",
            Self::Damp => "RFC 5961 §7",
            Self::KeepAlive => "RFC 9293 §3.8.4",
            Self::TimeWait => "RFC 9293 §3.10.3",
            Self::Slack => "RFC 7323 §2.4",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::FinIn => "FIN beyond the edge hidden",
            Self::Trim => "cut at the peer's edge",
            Self::Edge => "edge held",
            Self::One => "closed window hidden",
            Self::OverDup => "duplicate ACK hidden",
            Self::FinDup => "duplicate ACK of a FIN hidden",
            Self::FinKeep => "FIN repeated",
            Self::Seq => "number set right",
            Self::AckSeq => "rewound number accepted",
            Self::OldAck => "old ACK renewed",
            Self::Reset => "reset refused",
            Self::Syn => "SYN refused",
            Self::AckMax => "ACK of nothing sent refused",
            Self::Isn => "numbers shifted",
            Self::Stall => "stalled sender woken",
            Self::Nudge => "peer reminded",
            Self::Damp => "repeated ACK withheld",
            Self::KeepAlive => "peer asked",
            Self::TimeWait => "unread octets kept",
            Self::Slack => "window shown a step smaller",
        })
    }
}

/// A set of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Rules(pub u32);

impl Rules {
    /// No rule.
    pub const NONE: Self = Self(0);
    /// Every rule.
    pub const ALL: Self = Self((1 << Rule::ALL.len()) - 1);

    /// Returns the set with one more rule.
    #[must_use]
    pub const fn with(self, rule: Rule) -> Self {
        Self(self.0 | 1 << rule as u8)
    }

    /// Returns the set without a rule.
    #[must_use]
    pub const fn without(self, rule: Rule) -> Self {
        Self(self.0 & !(1 << rule as u8))
    }

    /// Returns whether a rule is in the set.
    pub const fn contains(self, rule: Rule) -> bool {
        self.0 & 1 << rule as u8 != 0
    }

    /// Returns the rules in the set, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Rule> {
        Rule::ALL.into_iter().filter(move |rule| self.contains(*rule))
    }
}
