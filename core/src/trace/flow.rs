//! What the events of one connection tell of it, so that a trace can begin anywhere.

use super::{Ends, Event, View};
use crate::tcp::{Cause, Flags, Marks, Seq, State};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A connection as its own end has told of it so far.
///
/// Numbers are the wire's. SND.NXT is the number after the highest that was sent, whatever is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    active: bool,
    ports: (u16, u16),
    addresses: (IpAddr, IpAddr),
    state: State,
    ends: Ends,
    fins: (bool, bool),
    una: Option<Seq>,
    nxt: Option<Seq>,
    rcv_nxt: Option<Seq>,
    snd_wnd: u32,
    rcv_wnd: u32,
    granted: Option<Seq>,
    advertised: Option<Seq>,
    heard: Option<Seq>,
    over: bool,
}

impl Default for Flow {
    fn default() -> Self {
        Self::new()
    }
}

impl Flow {
    /// Returns a connection of which nothing is known.
    pub const fn new() -> Self {
        Self {
            active: false,
            ports: (0, 0),
            addresses: (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            state: State::Closed,
            ends: Ends::new(),
            fins: (false, false),
            una: None,
            nxt: None,
            rcv_nxt: None,
            snd_wnd: 0,
            rcv_wnd: 0,
            granted: None,
            advertised: None,
            heard: None,
            over: false,
        }
    }

    /// Returns whether our end opened it.
    pub const fn is_active(&self) -> bool {
        self.active
    }

    /// Returns our address and port.
    pub const fn local(&self) -> (IpAddr, u16) {
        (self.addresses.0, self.ports.0)
    }

    /// Returns the peer's address and port.
    pub const fn remote(&self) -> (IpAddr, u16) {
        (self.addresses.1, self.ports.1)
    }

    /// Returns our state.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Returns the numbers that relative numbers are counted from.
    pub const fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Returns SND.UNA, the oldest number that is not acknowledged; 0 before our SYN.
    pub fn snd_una(&self) -> Seq {
        self.una.unwrap_or_default()
    }

    /// Returns the number after the highest that was sent; 0 before our SYN.
    pub fn snd_nxt(&self) -> Seq {
        self.nxt.unwrap_or_default()
    }

    /// Returns RCV.NXT as we last acknowledged it; 0 before the peer's SYN.
    pub fn rcv_nxt(&self) -> Seq {
        self.rcv_nxt.unwrap_or_default()
    }

    /// Returns the numbers in flight.
    pub fn flight(&self) -> u32 {
        u32::try_from(self.snd_nxt().since(self.snd_una())).unwrap_or(0)
    }

    /// Returns SND.WND in octets.
    pub const fn snd_wnd(&self) -> u32 {
        self.snd_wnd
    }

    /// Returns the window that we advertised last, in octets.
    pub const fn rcv_wnd(&self) -> u32 {
        self.rcv_wnd
    }

    /// Returns the shift of our windows and that of the peer's; 0 unless both SYNs had one (RFC 7323 §2.2).
    pub const fn shifts(&self) -> (u8, u8) {
        self.ends.shifts()
    }

    /// Returns whether nothing more will come of it, TIME-WAIT included.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// Returns the views from which somebody who saw nothing before understands what comes next.
    pub fn snapshot(&self) -> impl Iterator<Item = View> + use<> {
        let opening = View::opening(self.active, self.local(), self.remote());
        let snapshot = View::Snapshot {
            state: self.state,
            origins: self.ends.origins(),
            scales: self.ends.scales(),
            fins: self.fins,
        };
        let vars = View::Vars {
            una: self.snd_una(),
            nxt: self.snd_nxt(),
            rcv_nxt: self.rcv_nxt(),
            snd_wnd: self.snd_wnd,
        };
        let queues = View::Queues { unsent: 0, unread: 0, rcv_wnd: self.rcv_wnd, flight: self.flight() };
        let edges = View::Edges { granted: self.granted, advertised: self.advertised, heard: self.heard };
        opening.into_iter().flatten().chain([snapshot, vars, queues, edges])
    }

    /// Learns from the connection's next event.
    pub fn see(&mut self, event: &Event) {
        self.ends.learn(event);
        match event.view() {
            Some(View::Opened { active, ports, addresses }) => {
                (self.active, self.ports) = (active, ports);
                if let Some((local, remote)) = addresses {
                    self.addresses = (local.into(), remote.into());
                }
            }
            Some(View::Address { local, address }) => {
                let place = if local { &mut self.addresses.0 } else { &mut self.addresses.1 };
                *place = wide(address);
            }
            Some(View::Snapshot { state, fins, .. }) => (self.state, self.fins) = (state, fins),
            Some(View::Vars { una, nxt, rcv_nxt, snd_wnd }) => {
                let (ours, theirs) = self.ends.origins();
                (self.una, self.nxt) = (ours.map(|_| una), ours.map(|_| nxt));
                (self.rcv_nxt, self.snd_wnd) = (theirs.map(|_| rcv_nxt), snd_wnd);
            }
            Some(View::Queues { rcv_wnd, .. }) => self.rcv_wnd = rcv_wnd,
            Some(View::Edges { granted, advertised, heard }) => {
                (self.granted, self.advertised, self.heard) = (granted, advertised, heard);
            }
            Some(View::Segment { sent, flags, seq, ack, len, window, marks, .. }) => {
                let end = seq
                    + u32::from(len)
                    + u32::from(flags.contains(Flags::SYN))
                    + u32::from(flags.contains(Flags::FIN));
                if flags.contains(Flags::RST) {
                    return;
                }
                if sent {
                    self.sent(flags, (seq, end), ack, window)
                } else {
                    self.received(flags, (seq, end), ack, window, marks)
                }
            }
            Some(View::Guarded { una, edge, .. }) => {
                // The guard lets the stack take acknowledgments that it would have refused.
                let (known, nxt) = (self.snd_una(), self.snd_nxt());
                if una.is_after(known) && !una.is_after(nxt) {
                    (self.una, self.granted) = (Some(una), further(self.granted, edge));
                }
            }
            Some(View::State { from, cause, to, .. }) => {
                self.state = to;
                self.fins.1 |= matches!(cause, Cause::Fin | Cause::FinAck);
                self.over |= from == State::TimeWait;
            }
            Some(View::Ended { .. }) => self.over |= self.state != State::TimeWait,
            _ => {}
        }
    }

    fn sent(&mut self, flags: Flags, (seq, end): (Seq, Seq), ack: Seq, window: u16) {
        let wnd = self.ends.window(true, flags, window);
        self.una = self.una.or(Some(seq));
        self.nxt = Some(self.nxt.map_or(end, |nxt| nxt.max(end)));
        self.fins.0 |= flags.contains(Flags::FIN);
        self.rcv_wnd = wnd;
        if flags.contains(Flags::ACK) {
            self.rcv_nxt = Some(self.rcv_nxt.map_or(ack, |known| known.max(ack)));
            self.advertised = further(self.advertised, ack + wnd);
        }
    }

    fn received(&mut self, flags: Flags, (seq, end): (Seq, Seq), ack: Seq, window: u16, marks: Marks) {
        let syn = flags.contains(Flags::SYN);
        if syn && self.rcv_nxt.is_none() {
            self.rcv_nxt = Some(seq + 1);
        }
        if end != seq {
            self.heard = further(self.heard, end);
        }
        if marks.contains(Marks::REFUSED) {
            return;
        }
        let wnd = self.ends.window(false, flags, window);
        if !flags.contains(Flags::ACK) {
            self.snd_wnd = wnd;
        } else if self.nxt.is_none_or(|nxt| !ack.is_after(nxt)) {
            self.snd_wnd = wnd;
            self.una = Some(self.una.map_or(ack, |una| una.max(ack)));
            self.granted = further(self.granted, ack + wnd);
        }
    }
}

fn further(known: Option<Seq>, edge: Seq) -> Option<Seq> {
    Some(known.map_or(edge, |known| known.max(edge)))
}

/// Takes an IPv4 address out of IPv6, where one of two ends was recorded so.
fn wide(address: Ipv6Addr) -> IpAddr {
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
}
