//! What stands in messages: targets, and octets that are not what the protocol says.
//!
//! A name may hold anything, and is escaped where people read it:
//!
//! ```
//! use sockhop::wire::{Host, HostOf, Target, TargetOf};
//!
//! let lent = Target { host: Host::Name(b"evil\n.example"), port: 80 };
//! assert_eq!(lent.to_string(), r"evil\n.example:80");
//!
//! // The same, kept for longer.
//! let kept = TargetOf { host: HostOf::Name(b"evil\n.example".to_vec()), port: 80 };
//! assert_eq!(kept.lend(), lent);
//! ```

use core::{fmt, net::IpAddr};

/// The host part of a target that stands in an inbox.
pub type Host<'a> = HostOf<&'a [u8]>;

/// A target that stands in an inbox.
pub type Target<'a> = TargetOf<&'a [u8]>;

/// The host part of a target; `B` holds the octets of its name, lent (`&[u8]`) or owned (`Vec<u8>`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostOf<B> {
    /// An address.
    Ip(IpAddr),
    /// A name as it came, 1 to 255 octets of any value; whoever resolves it decides what a name may hold.
    Name(B),
}

impl<B: AsRef<[u8]>> HostOf<B> {
    /// Lends the host.
    pub fn lend(&self) -> Host<'_> {
        match self {
            Self::Ip(ip) => HostOf::Ip(*ip),
            Self::Name(name) => HostOf::Name(name.as_ref()),
        }
    }
}

impl<B: AsRef<[u8]>> fmt::Display for HostOf<B> {
    /// Writes a name escaped, so that it can stand in a log line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lend() {
            HostOf::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            HostOf::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            HostOf::Name(name) => name.escape_ascii().fmt(f),
        }
    }
}

/// Where a client wants to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetOf<B> {
    /// The address or name.
    pub host: HostOf<B>,
    /// The port, 0 included; whether that makes sense is the owner's decision.
    pub port: u16,
}

impl<B: AsRef<[u8]>> TargetOf<B> {
    /// Lends the target.
    pub fn lend(&self) -> Target<'_> {
        TargetOf { host: self.host.lend(), port: self.port }
    }
}

impl<B: AsRef<[u8]>> fmt::Display for TargetOf<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Writes octets into a fixed place; what does not fit is a mistake of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outbox<const N: usize> {
    octets: [u8; N],
    written: u16,
    drained: u16,
}

impl<const N: usize> Outbox<N> {
    pub(crate) const fn new() -> Self {
        Self { octets: [0; N], written: 0, drained: 0 }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.drained == self.written
    }

    /// Appends octets, starting afresh once everything before is drained.
    pub(crate) fn put(&mut self, octets: &[u8]) {
        if self.is_empty() {
            (self.written, self.drained) = (0, 0);
        }
        let at = usize::from(self.written);
        debug_assert!(at + octets.len() <= N, "the outbox holds every message");
        let rest = self.octets.get_mut(at..).unwrap_or(&mut []);
        self.written += u16::try_from(octets.len().min(rest.len())).unwrap_or(0);
        for (place, octet) in rest.iter_mut().zip(octets) {
            *place = *octet;
        }
    }

    pub(crate) fn drain(&mut self, output: &mut [u8]) -> usize {
        let waiting = self.octets.get(usize::from(self.drained)..usize::from(self.written)).unwrap_or(&[]);
        let count = waiting.len().min(output.len());
        for (place, octet) in output.iter_mut().zip(waiting) {
            *place = *octet;
        }
        self.drained += u16::try_from(count).unwrap_or(0);
        count
    }
}

/// Gathers one message, octet by octet, as far as it is known to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inbox<const N: usize> {
    octets: [u8; N],
    len: u16,
}

impl<const N: usize> Inbox<N> {
    pub(crate) const fn new() -> Self {
        Self { octets: [0; N], len: 0 }
    }

    pub(crate) fn octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or(&[])
    }

    pub(crate) const fn clear(&mut self) {
        self.len = 0;
    }

    /// Gathers octets of ours in place of what was there; returns whether they fit.
    pub(crate) fn hold(&mut self, parts: [&[u8]; 2]) -> bool {
        self.clear();
        let whole: usize = parts.iter().map(|part| part.len()).sum();
        whole <= N && parts.iter().all(|part| self.fill(usize::from(self.len) + part.len(), part).is_some())
    }

    /// Gives the first octets away, as many as there is room for.
    pub(crate) fn drain(&mut self, output: &mut [u8]) -> usize {
        let len = usize::from(self.len);
        let count = len.min(output.len());
        for (place, octet) in output.iter_mut().zip(&self.octets).take(count) {
            *place = *octet;
        }
        for at in count..len {
            // Octet by octet, for a range that the compiler cannot bound keeps a panic in reach.
            if let Some(octet) = self.octets.get(at).copied()
                && let Some(place) = self.octets.get_mut(at - count)
            {
                *place = octet;
            }
        }
        self.len -= u16::try_from(count).unwrap_or(0);
        count
    }

    /// Takes octets until `need` are gathered; returns how many were taken, or `None` if they never fit.
    pub(crate) fn fill(&mut self, need: usize, input: &[u8]) -> Option<usize> {
        let at = usize::from(self.len);
        let place = self.octets.get_mut(at..need)?;
        let count = place.len().min(input.len());
        for (place, octet) in place.iter_mut().zip(input) {
            *place = *octet;
        }
        self.len += u16::try_from(count).unwrap_or(0);
        Some(count)
    }
}

/// Writes a message from somewhere in its middle into whatever room there is.
pub(crate) struct Pen<'a> {
    skip: usize,
    output: &'a mut [u8],
    written: usize,
}

impl<'a> Pen<'a> {
    /// Returns a pen that leaves out the first `skip` octets of what it is to write.
    pub(crate) const fn new(skip: usize, output: &'a mut [u8]) -> Self {
        Self { skip, output, written: 0 }
    }

    /// Returns how many octets it has written.
    pub(crate) const fn written(&self) -> usize {
        self.written
    }

    pub(crate) fn put(&mut self, octets: &[u8]) {
        let skipped = self.skip.min(octets.len());
        self.skip -= skipped;
        let rest = octets.get(skipped..).unwrap_or(&[]);
        for (place, octet) in self.output.iter_mut().skip(self.written).zip(rest) {
            *place = *octet;
            self.written += 1;
        }
    }

    /// Writes octets behind their number, which is at most 255.
    pub(crate) fn counted(&mut self, text: &[u8]) {
        self.put(&[u8::try_from(text.len()).unwrap_or(u8::MAX)]);
        self.put(text);
    }
}
