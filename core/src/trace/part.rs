//! The small choices inside events, each by its number in a trace.

use core::fmt;

/// Defines an enum that a trace stores by number, with a name for people.
macro_rules! numbered {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(u8)]
        pub enum $name {
            $($(#[$doc])* $variant = $number,)+
        }

        impl $name {
            /// Every one, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the one with this number, as stored in a trace.
            pub const fn from_u8(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// Returns its name, as views print it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

numbered! {
    /// Why a segment reached no connection.
    Drop {
        /// No connection and no listener has these addresses.
        Unmatched = 0 "no connection",
        /// A checksum is wrong.
        Checksum = 1 "wrong checksum",
        /// A limit was reached.
        Limit = 2 "limit reached",
    }
}

numbered! {
    /// What the owner of a connection called.
    Call {
        /// A passive open (RFC 9293 §3.10.1).
        Listen = 0 "listen()",
        /// An active open (RFC 9293 §3.10.1).
        Connect = 1 "connect()",
        /// Octets were given to be sent (RFC 9293 §3.10.2).
        Send = 2 "send()",
        /// Octets were taken that had been received (RFC 9293 §3.10.3).
        Receive = 3 "receive()",
        /// No more will be sent (RFC 9293 §3.10.4).
        Close = 4 "close()",
        /// The connection is given up (RFC 9293 §3.10.5).
        Abort = 5 "abort()",
    }
}

numbered! {
    /// What octets wait for.
    Hold {
        /// The peer's window is closed, or full of what is in flight.
        PeerWindow = 0 "peer window",
        /// The ring of octets to be sent is full.
        SendBuffer = 1 "send buffer",
        /// The congestion window is full.
        Congestion = 2 "congestion",
        /// The owner does not read what has been received.
        Reader = 3 "reader",
    }
}

numbered! {
    /// A timer of a connection (RFC 9293 §3.10.8).
    Timer {
        /// What is in flight is sent again (RFC 6298).
        Retransmit = 0 "retransmission",
        /// A closed window is probed (RFC 9293 §3.8.6.1).
        Probe = 1 "probe",
        /// TIME-WAIT ends (RFC 9293 §3.6.1).
        TwoMsl = 2 "2MSL",
        /// A silent peer is asked (RFC 9293 §3.8.4).
        KeepAlive = 3 "keep-alive",
        /// The owner's deadline.
        User = 4 "user",
    }
}

numbered! {
    /// What became of a timer.
    Tick {
        /// It runs.
        Set = 0 "set",
        /// Its time has come.
        Expired = 1 "expired",
        /// It runs no more.
        Cancelled = 2 "cancelled",
    }
}
