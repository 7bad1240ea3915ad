//! A socket on which a running proxy is asked what it does; nothing can be changed there.
//!
//! A request is a line of JSON, and so is an answer:
//!
//! ```text
//! {"ask":"snapshot"}         {"snapshot":{..}}                      everything as it stands
//! {"ask":"follow"}           {"events":{"raw":["..",..],"lost":0}}  from now on, as they happen; of all connections
//! {"ask":"follow","flow":7}                                         or of one
//! {"ask":"silence"}                                                 no events any more
//! anything else              {"error":".."}
//! ```
//!
//! An event is the 32 octets of [`Event::encode`](sockhop::trace::Event::encode) in hexadecimal digits.
//!
//! The engine is not held up by anybody who asks. A thread of its own keeps the clients, at most [`MOST`] of them; it
//! asks the loop for a [`Snapshot`], which is made between two rounds and written from the thread, and makes it a
//! twentieth of the loop's time at most. Events wait in a [`Feed`] of bounded size, from which each client is given what
//! it has room for: what it has no room for is counted, and told as lost. A client that does not read is given nothing
//! more, and asked nothing. Where there are several loops, each shows its part, and the thread puts them together.
//!
//! ```text
//! loop ── events ──► Feed ──┐            ┌──► client
//!      ◄── asked ────────── Server thread ──► client
//!      ── Snapshot ────────►┘            └──► client
//! ```
//!
//! Somebody who asks, as `tun-demo netstat` does:
//!
//! ```no_run
//! use sockhop_hosted::control::{Inquirer, search};
//!
//! let found = search(None, None).expect("one proxy runs");
//! let snapshot = Inquirer::new(found.stream).snapshot().expect("it answers");
//! for flow in &snapshot.flows {
//!     println!("{} {}", flow.remote, flow.state);
//! }
//! ```

mod client;
mod desk;
mod feed;
mod inquirer;
mod place;
mod server;

pub use desk::{Clerk, Desk, Plan};
pub use feed::{Feed, Overheard};
pub use inquirer::Inquirer;
pub use place::{Found, Name, Place, Trouble, candidates, folder, search};

use crate::survey::Snapshot;
use serde::{Deserialize, Serialize};

/// Clients at once; another one is told so and turned away.
pub const MOST: usize = 4;
/// The longest request, in octets.
pub const LONGEST: usize = 1_024;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
pub enum Request {
    /// Everything as it stands.
    Snapshot,
    /// What happens from now on.
    Follow {
        /// To this connection only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flow: Option<u32>,
    },
    /// No events any more.
    Silence,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Everything as it stands.
    Snapshot(Box<Snapshot>),
    /// What has happened.
    Events(Events),
    /// Why there is no answer.
    Error(String),
}

/// What has happened since the last answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// The events, each in hexadecimal digits.
    pub raw: Vec<String>,
    /// How many came before these and are lost.
    pub lost: u64,
}

/// Writes a line of JSON.
fn line(value: &impl Serialize) -> Vec<u8> {
    // Plain data with names for keys is always written.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_as_they_are_documented() {
        let read = |text: &str| serde_json::from_str::<Request>(text).ok();
        assert_eq!(read("{\"ask\":\"snapshot\"}"), Some(Request::Snapshot));
        assert_eq!(read("{\"ask\":\"follow\"}"), Some(Request::Follow { flow: None }));
        assert_eq!(read("{\"ask\":\"follow\",\"flow\":7}"), Some(Request::Follow { flow: Some(7) }));
        assert_eq!(read("{\"ask\":\"silence\"}"), Some(Request::Silence));
        assert_eq!(read("{\"ask\":\"stop\"}"), None);
        for request in [Request::Snapshot, Request::Follow { flow: Some(1) }, Request::Silence] {
            assert_eq!(read(&String::from_utf8(line(&request)).unwrap()), Some(request));
        }
    }
}
