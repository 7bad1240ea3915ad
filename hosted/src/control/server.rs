//! The thread that keeps those who ask, so that the loop never waits for one of them.

use super::client::Client;
use super::{Answer, Feed, MOST, line};
use crate::survey::{Node, Snapshot};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use mio::net::{UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Token, Waker};
use sockhop::trace::Sink;
use std::io::{self, ErrorKind};
use std::os::unix::net;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

const LISTENER: Token = Token(MOST + 1);
const WAKER: Token = Token(MOST + 2);
/// How often events are handed out.
const TICK: Duration = Duration::from_millis(100);
/// The shortest time between two snapshots, and how many times its own cost each is worth waiting for.
const PACE: Duration = Duration::from_millis(20);
const WORTH: u32 = 20;

/// What the thread and the loops share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Whether each loop is to make its part of a snapshot.
    pub(super) asked: Vec<AtomicBool>,
    over: AtomicBool,
    made: Mutex<Vec<Option<(Snapshot, Duration)>>>,
    waker: Waker,
}

impl Shared {
    /// Takes a loop's part of a snapshot.
    pub(super) fn put(&self, place: usize, snapshot: Snapshot, took: Duration) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some((snapshot, took));
        self.asked[place].store(false, Ordering::Relaxed);
        self.wake();
    }

    /// Returns a snapshot once every loop's part is there, and how long the slowest of them took.
    fn whole(&self) -> Option<(Snapshot, Duration)> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.iter().any(Option::is_none) {
            return None;
        }
        made.iter_mut().filter_map(Option::take).reduce(|one, two| (one.0.and(two.0), one.1.max(two.1)))
    }

    fn is_asked(&self) -> bool {
        self.asked.iter().any(|asked| asked.load(Ordering::Relaxed))
    }

    /// Ends the thread.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        // An eventfd that is full wakes as well.
        let _ = self.waker.wake();
    }
}

/// The thread.
#[derive(Debug)]
pub(super) struct Server {
    poll: Poll,
    listener: Option<UnixListener>,
    clients: [Option<Client>; MOST],
    feed: Option<Feed>,
    node: Node,
    loops: Vec<Arc<Waker>>,
    shared: Arc<Shared>,
    /// When the next snapshot may be asked for.
    next: Instant,
    /// When events are handed out next.
    tick: Instant,
}

impl Server {
    pub(super) fn new(
        listener: Option<net::UnixListener>,
        inside: Option<net::UnixStream>,
        feed: Option<Feed>,
        (node, loops): (Node, Vec<Arc<Waker>>),
    ) -> io::Result<(Self, Arc<Shared>)> {
        let poll = Poll::new()?;
        let mut listener = listener.map(UnixListener::from_std);
        if let Some(listener) = &mut listener {
            poll.registry().register(listener, LISTENER, Interest::READABLE)?;
        }
        let shared = Arc::new(Shared {
            asked: loops.iter().map(|_| AtomicBool::new(false)).collect(),
            over: AtomicBool::new(false),
            made: Mutex::new(vec![None; loops.len()]),
            waker: Waker::new(poll.registry(), WAKER)?,
        });
        let clients = core::array::from_fn(|_| None);
        let next = Instant::now();
        let shared_with = Arc::clone(&shared);
        let mut server =
            Self { poll, listener, clients, feed, node, loops, shared: shared_with, next, tick: next };
        if let Some(inside) = inside {
            inside.set_nonblocking(true)?;
            server.admit(UnixStream::from_std(inside));
        }
        Ok((server, shared))
    }

    /// Serves until it is told to end.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(2 * MOST);
        while !self.shared.over.load(Ordering::Relaxed) {
            match self.poll.poll(&mut events, self.wait()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return,
                Ok(()) | Err(_) => {}
            }
            if events.iter().any(|event| event.token() == LISTENER) {
                self.accept();
            }
            self.hand_out();
            self.serve();
            self.ask();
        }
    }

    /// Returns how long nothing can happen by itself.
    fn wait(&self) -> Option<Duration> {
        let mut clients = self.clients.iter().flatten();
        let pending = !self.shared.is_asked() && clients.clone().any(|client| client.asked);
        let pace = pending.then(|| self.next.saturating_duration_since(Instant::now()));
        let follows = clients.any(Client::follows);
        let tick = follows.then(|| self.tick.saturating_duration_since(Instant::now()));
        [pace, tick].into_iter().flatten().min()
    }

    fn accept(&mut self) {
        loop {
            match self.listener.as_ref().map(UnixListener::accept) {
                Some(Ok((stream, _))) => self.admit(stream),
                Some(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Some(Err(_)) | None => return,
            }
        }
    }

    fn admit(&mut self, mut stream: UnixStream) {
        let Some(place) = self.clients.iter().position(Option::is_none) else {
            // He hears it if his socket has room, as a new one has.
            let mut client = Client::new(stream);
            client.dismiss(format!("{MOST} others are asking already; try again when one has gone"));
            client.serve(false);
            return;
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut stream, Token(place), interest).is_ok() {
            self.clients[place] = Some(Client::new(stream));
        }
    }

    /// Hands out what has been made, and what has happened.
    fn hand_out(&mut self) {
        if let Some((mut snapshot, took)) = self.shared.whole() {
            snapshot.node.clone_from(&self.node);
            self.next = Instant::now() + PACE.max(took * WORTH);
            let whole = line(&Answer::Snapshot(Box::new(snapshot)));
            for client in self.clients.iter_mut().flatten().filter(|client| client.asked) {
                client.asked = false;
                client.give(&whole);
            }
        }
        // Between two ticks a client has the time to take what he was given.
        let now = Instant::now();
        if let Some(feed) = self.feed.as_ref().filter(|feed| self.tick <= now && feed.enabled()) {
            self.tick = now + TICK;
            let batch = feed.take();
            self.clients.iter_mut().flatten().for_each(|client| client.tell(&batch));
        }
    }

    fn serve(&mut self) {
        let can_follow = self.feed.is_some();
        for place in &mut self.clients {
            if place.as_mut().is_some_and(|client| !client.serve(can_follow)) {
                *place = None;
            }
        }
        if let Some(feed) = &self.feed {
            let followed = self.clients.iter().flatten().any(Client::follows);
            if followed != feed.enabled() {
                feed.follow(followed);
            }
        }
    }

    /// Asks the loops for a snapshot if somebody waits for one and its time has come.
    fn ask(&self) {
        let wanted = self.clients.iter().flatten().any(|client| client.asked);
        if wanted && self.next <= Instant::now() && !self.shared.is_asked() {
            self.shared.asked.iter().for_each(|asked| asked.store(true, Ordering::Relaxed));
            // A loop that cannot be woken is gone, and so is everybody who could be answered.
            self.loops.iter().for_each(|waker| drop(waker.wake()));
        }
    }
}
