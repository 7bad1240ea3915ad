//! What is said of a session when it has ended: one line, in which no name can forge another.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use sockhop::relay::{Broken, Side};
use sockhop::socks;
use sockhop::time::Reason;

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Both sides sent their FIN, and everything was carried.
    Complete,
    /// A side broke, and the other one was reset.
    Broken(Side, Broken),
    /// The conversation failed before anything was carried.
    Failed(socks::Error),
    /// The client went away before anything was carried.
    Left,
    /// The way out for its datagrams ended.
    Lost,
    /// A deadline passed.
    Expired(Reason),
    /// The program was told to stop.
    Stopped,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("complete"),
            Self::Broken(Side::A, how) => write!(f, "client: {how}"),
            Self::Broken(Side::B, how) => write!(f, "target: {how}"),
            Self::Failed(error) => write!(f, "failed: {error}"),
            Self::Left => f.write_str("the client left"),
            Self::Lost => f.write_str("the way out for its datagrams ended"),
            Self::Expired(reason) => write!(f, "expired: {reason}"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

/// A session that has ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// The client's address.
    pub client: SocketAddr,
    /// The user's name, escaped; empty when nobody logged in.
    pub user: String,
    /// The target, escaped; empty when no request was complete.
    pub target: String,
    /// Why the target was not reached, in the egress's words; empty when it was.
    pub detail: String,
    /// The code of the reply, 0 when the request was granted; SOCKS4 clients are told 91 for any other. `None` when no
    /// request was answered.
    pub reply: Option<u8>,
    /// Octets from the client to the target and back.
    pub octets: (u64, u64),
    /// How long the session lasted.
    pub lasted: Duration,
    /// Why it ended.
    pub end: End,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blank = |text: &'_ str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let (up, down) = self.octets;
        write!(f, "{} user {} to {}", self.client, blank(&self.user), blank(&self.target))?;
        if let Some(code) = self.reply {
            write!(f, " reply {code}")?;
        }
        write!(f, " up {up} B down {down} B in {:.3} s: {}", self.lasted.as_secs_f64(), self.end)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}
