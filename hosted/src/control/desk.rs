//! The side of the loops: whether somebody has asked, and where the answer goes.

use super::server::{Server, Shared};
use super::{Feed, Name, Place};
use crate::survey::{Node, Snapshot};
use core::sync::atomic::Ordering;
use core::time::Duration;
use mio::Waker;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;

/// What a desk is told once.
#[derive(Debug, Default)]
pub struct Plan {
    /// The socket, if there is one.
    pub place: Option<Place>,
    /// A client in this process, connected from the beginning.
    pub inside: Option<UnixStream>,
    /// Where events come from, if they can be followed.
    pub feed: Option<Feed>,
    /// What is said of this process.
    pub node: Node,
}

impl Plan {
    /// Takes the file of the socket away, for whoever may remove it at the end.
    pub const fn unname(&mut self) -> Option<Name> {
        match &mut self.place {
            Some(place) => place.unname(),
            None => None,
        }
    }
}

/// Where loops are asked; the socket is gone once it is dropped.
#[derive(Debug)]
pub struct Desk {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Removes its file when it is dropped, unless that was taken away.
    _place: Option<Place>,
}

impl Desk {
    /// Starts the thread that keeps the clients; it calls each of `loops` whenever somebody has asked.
    ///
    /// # Errors
    /// The host's, when it has no descriptors or threads left.
    pub fn open(plan: Plan, loops: Vec<Arc<Waker>>) -> io::Result<Self> {
        let Plan { place, inside, feed, mut node } = plan;
        node.pid = std::process::id();
        node.follows = feed.is_some();
        let listener = place.as_ref().map(Place::listener).transpose()?;
        let (server, shared) = Server::new(listener, inside, feed, (node, loops))?;
        let thread = std::thread::Builder::new().name("control".to_owned()).spawn(move || server.run())?;
        Ok(Self { shared, thread: Some(thread), _place: place })
    }

    /// Returns whoever answers for the loop at this place.
    pub fn clerk(&self, place: usize) -> Clerk {
        Clerk { shared: Arc::clone(&self.shared), place }
    }
}

/// Where one loop is asked.
#[derive(Clone, Debug)]
pub struct Clerk {
    shared: Arc<Shared>,
    place: usize,
}

impl Clerk {
    /// Returns whether somebody has asked for a snapshot.
    pub fn is_asked(&self) -> bool {
        self.shared.asked[self.place].load(Ordering::Relaxed)
    }

    /// Gives this loop's part of the snapshot that was asked for, which took so long to make.
    pub fn answer(&self, snapshot: Snapshot, took: Duration) {
        self.shared.put(self.place, snapshot, took);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.shared.end();
        // A thread that has panicked is over as well.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
