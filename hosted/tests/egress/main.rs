//! The way out through this host's sockets, over loopback, with a clock and a resolver of the test's own.

mod names;

use core::net::SocketAddr;
use core::time::Duration;
use mio::{Events, Poll, Token, Waker};
use sockhop::relay::{Broken, Stream};
use sockhop::socks5::Refusal;
use sockhop::time::Instant;
use sockhop::wire::{Host as Name, Target};
use sockhop_hosted::egress::host::Host;
use sockhop_hosted::egress::{Egress, Event, Failure, Policy, Rule, Socket};
use sockhop_hosted::engine::{self, Config, Engine, FlowId};
use sockhop_hosted::lab::Tape;
use sockhop_hosted::link::{Link, Path, Pipe};
use sockhop_hosted::proxy::{self, Deadlines, Proxy};
use sockhop_hosted::resolve::{Answer, Resolver};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::{Arc, Condvar, Mutex};

const WAKER: Token = Token(0);
const NOW: Instant = Instant::from_micros(1_000);
const MICROSECOND: Duration = Duration::from_micros(1);

#[test]
fn every_spelling_of_a_literal_is_dialed_and_nobody_is_asked() {
    for (name, ip) in [("127.0.0.9", "127.0.0.9"), ("::1", "::1"), ("[::1]", "::1")] {
        let at = SocketAddr::new(ip.parse().expect("an address"), closed().port());
        let mut world = World::new();
        world.dial(0, name, at.port());
        // Where there is no IPv6 the text is another, but it is about the address.
        let failure = world.outcome(NOW, 0).expect_err("nobody listens");
        assert!(failure.text.starts_with(&at.to_string()), "{name}: {failure}");
    }
}

#[test]
fn a_dial_that_fails_at_once_is_due_at_once() {
    let mut world = World::new();
    world.dial(3, "0.0.0.0", 80);
    assert_eq!(world.host.poll_at(), Some(Instant::ZERO));
    let Some(Event::Dialed { key: 3, outcome: Err(failure) }) = world.host.next(NOW) else {
        panic!("no wake-up is needed")
    };
    assert_eq!(failure.refusal, Refusal::NotAllowed);
}

#[test]
fn the_failure_of_a_cancelled_dial_is_told_to_nobody() {
    let mut world = World::new();
    world.dial(3, "0.0.0.0", 80);
    world.host.cancel(3);
    assert_eq!(world.host.poll_at(), None);
    assert!(world.host.next(NOW).is_none());
}

#[test]
#[should_panic(expected = "cancel() comes before a key is used again")]
#[cfg(debug_assertions)]
fn a_key_is_live_until_its_failure_is_taken_too() {
    let mut world = World::new();
    world.dial(4, "0.0.0.0", 80);
    world.dial(4, "0.0.0.0", 80);
}

#[test]
fn nothing_of_a_cancelled_dial_reaches_the_next_of_its_key() {
    let (listener, at) = listener();
    let mut world = World::new();
    for _ in 0..50 {
        world.dial(7, "127.0.0.1", at.port());
        world.host.cancel(7);
    }
    world.dial(7, "127.0.0.1", at.port());
    let dialed = world.outcome(NOW, 7).expect("it listens");
    for _ in 0..50 {
        let (mut peer, from) = listener.accept().expect("it was dialed");
        assert_ne!(from, dialed.bound);
        assert_eq!(peer.read(&mut [0; 8]).expect("a FIN is no error"), 0, "its socket is closed");
    }
    assert_eq!(listener.accept().expect("it was dialed").1, dialed.bound);
}

#[test]
fn an_address_that_fails_makes_room_for_the_next_at_once() {
    let (_listener, at) = listener();
    let mut world = World::new();
    world.names.tell("example.org", Ok(vec![closed(), at]));
    world.dial(0, "example.org", 80);
    assert!(world.outcome(NOW, 0).is_ok());
}

#[test]
fn a_refused_port_is_answered_with_code_5_and_named() {
    let at = closed();
    let mut world = World::new();
    world.dial(0, "127.0.0.9", at.port());
    let failure = world.outcome(NOW, 0).expect_err("nobody listens");
    assert_eq!(failure.refusal.code(), 5);
    assert!(failure.text.starts_with(&at.to_string()), "{failure}");
}

#[test]
fn a_name_whose_every_address_refuses_is_answered_with_code_5() {
    let mut world = World::new();
    world.names.tell("example.org", Ok(vec![closed(), closed()]));
    world.dial(0, "example.org", 80);
    assert_eq!(world.outcome(NOW, 0).expect_err("nobody listens").refusal.code(), 5);
}

#[test]
fn a_caller_that_ends_first_still_hears() {
    let (listener, at) = listener();
    let mut world = World::new();
    world.dial(0, "127.0.0.1", at.port());
    let mut dialed = world.outcome(NOW, 0).expect("it listens");
    let (mut peer, from) = listener.accept().expect("it was dialed");
    assert_eq!(dialed.bound, from);
    assert_eq!(dialed.stream.write(b"abc"), Ok(3));
    dialed.stream.close();
    let mut heard = String::new();
    peer.read_to_string(&mut heard).expect("a FIN is no error");
    assert_eq!(heard, "abc");
    peer.write_all(b"defg").expect("its own half is open");
    drop(peer);
    assert_eq!(world.read(&mut dialed.stream), Ok(4));
    assert_eq!(world.read(&mut dialed.stream), Ok(0));
}

#[test]
fn a_peer_that_ends_first_still_hears() {
    let (listener, at) = listener();
    let mut world = World::new();
    world.dial(0, "127.0.0.1", at.port());
    let mut dialed = world.outcome(NOW, 0).expect("it listens");
    let (mut peer, _) = listener.accept().expect("it was dialed");
    peer.write_all(b"ab").expect("it is open");
    peer.shutdown(Shutdown::Write).expect("it is open");
    assert_eq!(world.read(&mut dialed.stream), Ok(2));
    assert_eq!(world.read(&mut dialed.stream), Ok(0));
    assert_eq!(dialed.stream.write(b"cde"), Ok(3));
    dialed.stream.close();
    let mut heard = String::new();
    peer.read_to_string(&mut heard).expect("a FIN is no error");
    assert_eq!(heard, "cde");
}

#[test]
fn a_peers_reset_is_told_as_a_reset() {
    let (listener, at) = listener();
    let mut world = World::new();
    world.dial(0, "127.0.0.1", at.port());
    let mut dialed = world.outcome(NOW, 0).expect("it listens");
    let (peer, _) = listener.accept().expect("it was dialed");
    rustix::net::sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).expect("it is open");
    drop(peer);
    assert_eq!(world.read(&mut dialed.stream), Err(Broken::Reset));
}

#[test]
fn an_abort_is_heard_as_a_reset() {
    let (listener, at) = listener();
    let mut world = World::new();
    world.dial(0, "127.0.0.1", at.port());
    let mut dialed = world.outcome(NOW, 0).expect("it listens");
    let (mut peer, _) = listener.accept().expect("it was dialed");
    dialed.stream.abort();
    let error = peer.read(&mut [0; 8]).expect_err("no FIN");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(dialed.stream.read(&mut [0; 8]), Err(nb::Error::Other(Broken::Reset)));
}

#[test]
fn the_first_address_has_250_ms_for_itself() {
    let ((first, one), (second, two)) = (listener(), listener());
    let mut world = World::new();
    world.names.tell("example.org", Ok(vec![one, two]));
    world.dial(0, "example.org", 80);
    world.hear_resolver(NOW);
    let turn = NOW + Duration::from_millis(250);
    assert_eq!(world.host.poll_at(), Some(turn));
    assert!(world.host.next(Instant::from_micros(turn.micros() - 1)).is_none());
    assert!(is_left_alone(&second));
    assert!(world.host.next(turn).is_none());
    let (mut beside, _) = second.accept().expect("its turn has come");
    let dialed = world.outcome(turn, 0).expect("both listen");
    let (mut ahead, from) = first.accept().expect("it was dialed");
    let loser = if from == dialed.bound { &mut beside } else { &mut ahead };
    assert_eq!(loser.read(&mut [0; 8]).expect("a FIN is no error"), 0);
}

#[test]
fn a_name_is_given_up_after_10_s_of_the_callers_clock() {
    let mut world = World::new();
    world.dial(5, "slow.example", 80);
    let late = NOW + Duration::from_secs(10);
    assert_eq!(world.host.poll_at(), Some(late));
    assert!(world.host.next(Instant::from_micros(late.micros() - 1)).is_none());
    let failure = world.outcome(late, 5).expect_err("nobody answers");
    assert_eq!(failure.refusal, Refusal::HostUnreachable);
    assert!(failure.text.contains("slow.example") && failure.text.contains("10 s"), "{failure}");
    assert_eq!(world.host.poll_at(), None);
}

#[test]
fn a_late_answer_is_not_for_the_next_dial_of_the_key() {
    let ((strange, wrong), (wanted, right)) = (listener(), listener());
    let mut world = World::new();
    world.dial(5, "slow.example", 80);
    // A forgotten question is answered only if somebody works on it already.
    world.names.wait_for("slow.example");
    world.host.cancel(5);
    world.dial(5, "example.org", 80);
    world.names.tell("slow.example", Ok(vec![wrong]));
    world.hear_resolver(NOW);
    world.names.tell("example.org", Ok(vec![right]));
    let dialed = world.outcome(NOW, 5).expect("it listens");
    assert_eq!(wanted.accept().expect("it was dialed").1, dialed.bound);
    assert!(is_left_alone(&strange));
}

#[test]
fn a_silent_resolver_holds_up_no_other_name() {
    let (_listener, at) = listener();
    let mut world = World::new();
    for key in 0..7 {
        world.dial(key, "black.hole", 80);
    }
    world.names.tell("example.org", Ok(vec![at]));
    world.dial(7, "example.org", 80);
    assert!(world.outcome(NOW, 7).is_ok());
}

#[test]
fn a_session_that_expires_takes_its_dial_with_it() {
    let ((strange, wrong), (wanted, right)) = (listener(), listener());
    let mut lab = Lab::new();
    let first = lab.ask("slow.example");
    lab.run(Duration::from_millis(100));
    lab.names.wait_for("slow.example");
    assert_eq!(lab.reply(first), None);
    lab.run(CONNECT);
    assert_eq!(lab.reply(first), Some(Refusal::TtlExpired.code()));
    assert!(lab.proxy.is_empty());

    let second = lab.ask("example.org");
    lab.run(Duration::from_millis(100));
    lab.names.wait_for("example.org");
    lab.names.tell("slow.example", Ok(vec![wrong]));
    lab.hear_host();
    lab.run(Duration::from_millis(100));
    assert_eq!(lab.reply(second), None, "the answer is another session's, of the same key");
    lab.names.tell("example.org", Ok(vec![right]));
    let mut reply = None;
    while reply.is_none() {
        lab.hear_host();
        lab.run(Duration::from_millis(10));
        reply = lab.reply(second);
    }
    assert_eq!(reply, Some(0));
    assert!(wanted.accept().is_ok() && is_left_alone(&strange));
}

/// How long a session of the lab's waits for its target; a name may take longer.
const CONNECT: Duration = Duration::from_secs(5);

/// A resolver that answers when it is told to, each answer once.
#[derive(Default)]
struct Names {
    told: Mutex<Told>,
    changed: Condvar,
}

#[derive(Default)]
struct Told {
    asked: Vec<String>,
    answers: HashMap<String, Answer>,
}

impl Names {
    fn look_up(&self, name: &str) -> Answer {
        let mut told = self.told.lock().expect("nobody panics with it");
        told.asked.push(name.to_owned());
        self.changed.notify_all();
        let told = self.changed.wait_while(told, |told| !told.answers.contains_key(name));
        told.expect("nobody panics with it").answers.remove(name).expect("it was waited for")
    }

    fn tell(&self, name: &str, answer: Answer) {
        self.told.lock().expect("nobody panics with it").answers.insert(name.to_owned(), answer);
        self.changed.notify_all();
    }

    /// Returns how often a name was asked for.
    fn asked(&self, name: &str) -> usize {
        let told = self.told.lock().expect("nobody panics with it");
        told.asked.iter().filter(|asked| *asked == name).count()
    }

    /// Waits until somebody works on the name.
    fn wait_for(&self, name: &str) {
        let told = self.told.lock().expect("nobody panics with it");
        let is_unasked = |told: &mut Told| !told.asked.iter().any(|asked| asked == name);
        drop(self.changed.wait_while(told, is_unasked).expect("nobody panics with it"));
    }
}

/// Returns a poll and an egress whose sockets it watches.
fn host(names: &Arc<Names>) -> (Poll, Host) {
    let poll = Poll::new().expect("the host has descriptors");
    let waker = Arc::new(Waker::new(poll.registry(), WAKER).expect("the host has descriptors"));
    let names = Arc::clone(names);
    let reversed = Arc::clone(&names);
    let look_up = move |name: &str, _| names.look_up(name);
    let resolver = Resolver::with(waker, look_up, move |ip| {
        let found = reversed.look_up(&ip.to_string())?;
        found.first().map(|at| format!("port{}.test", at.port())).ok_or("no name".to_owned())
    });
    let registry = poll.registry().try_clone().expect("the host has descriptors");
    let rules = vec![Rule::new("loopback", true).expect("a rule")];
    (poll, Host::new(registry, 1, Policy { rules, ..Policy::default() }, resolver))
}

/// Waits for the kernel or the resolver; passes events of sockets on, and returns whether the resolver spoke.
fn hear(poll: &mut Poll, host: &mut Host) -> bool {
    let mut events = Events::with_capacity(16);
    loop {
        match poll.poll(&mut events, Some(Duration::from_secs(10))) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => break outcome.expect("the host can wait"),
        }
    }
    assert!(!events.is_empty(), "the kernel was silent for ten seconds");
    for event in events.iter().filter(|event| event.token() != WAKER) {
        host.ready(event.token());
    }
    events.iter().any(|event| event.token() == WAKER)
}

/// A target that was reached, and our end as it sees it.
#[derive(Debug)]
struct Reached {
    stream: Socket,
    bound: SocketAddr,
}

/// An egress by itself.
struct World {
    poll: Poll,
    host: Host,
    names: Arc<Names>,
}

impl World {
    fn new() -> Self {
        let names = Arc::new(Names::default());
        let (poll, host) = host(&names);
        Self { poll, host, names }
    }

    fn dial(&mut self, key: usize, name: &str, port: u16) {
        self.host.dial(key, "", Target { host: Name::Name(name.as_bytes()), port }, NOW);
    }

    /// Waits for the resolver's next answer, which ends no dial.
    fn hear_resolver(&mut self, now: Instant) {
        while !hear(&mut self.poll, &mut self.host) {}
        assert!(self.host.next(now).is_none());
    }

    /// Waits for the next thing that happens.
    fn event(&mut self, now: Instant) -> Event<Socket> {
        loop {
            if let Some(event) = self.host.next(now) {
                return event;
            }
            hear(&mut self.poll, &mut self.host);
        }
    }

    /// Waits for the end of the only dial, which has this key.
    fn outcome(&mut self, now: Instant, wanted: usize) -> Result<Reached, Failure> {
        loop {
            if let Event::Dialed { key, outcome } = self.event(now) {
                assert_eq!(key, wanted);
                let (stream, bound) = outcome.map(|dialed| (dialed.stream.own(), dialed.bound))?;
                return Ok(Reached { stream: stream.expect("a socket of the host's"), bound });
            }
        }
    }

    fn read(&mut self, socket: &mut Socket) -> Result<usize, Broken> {
        loop {
            match socket.read(&mut [0; 64]) {
                Ok(count) => return Ok(count),
                Err(nb::Error::Other(how)) => return Err(how),
                Err(nb::Error::WouldBlock) => drop(self.event(NOW)),
            }
        }
    }
}

/// A client, a proxy on a stack of its own, and the egress behind it.
struct Lab {
    poll: Poll,
    names: Arc<Names>,
    link: Link<Tape>,
    proxy: Proxy<Host>,
    /// What each client has yet to say, and has heard.
    clients: HashMap<FlowId, (Vec<u8>, Vec<u8>)>,
}

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const PROXY: [u8; 4] = [10, 0, 0, 2];

impl Lab {
    fn new() -> Self {
        let names = Arc::new(Names::default());
        let (poll, host) = host(&names);
        let engine = |ip: [u8; 4], seed| {
            Engine::new(Config::new(vec![(ip.into(), 24)], 1_500, [seed, !seed]), Tape::default())
        };
        let path = Path { delay: Duration::from_millis(1), ..Path::default() };
        let (there, back) = (Pipe::new(path.clone(), 1), Pipe::new(path, 2));
        let mut link = Link::new(engine(CLIENT, 1), engine(PROXY, 2), there, back);
        link.b.listen(SocketAddr::from((PROXY, 1_080)), 1);
        let deadlines = Deadlines { connect: CONNECT, ..Deadlines::default() };
        let proxy = Proxy::new(proxy::Config { deadlines, ..proxy::Config::default() }, host);
        Self { poll, names, link, proxy, clients: HashMap::new() }
    }

    /// Begins a connection that asks for a name.
    fn ask(&mut self, name: &str) -> FlowId {
        let (from, to) = (SocketAddr::from((CLIENT, 0)), SocketAddr::from((PROXY, 1_080)));
        let flow = self.link.a.connect(self.link.now(), from, to).expect("there is room for it");
        let length = u8::try_from(name.len()).expect("a short name");
        let words = [&[5, 1, 0, 5, 1, 0, 3, length], name.as_bytes(), &[0, 80]].concat();
        self.clients.insert(flow, (words, Vec::new()));
        flow
    }

    /// Lets so much of the link's own time pass.
    fn run(&mut self, time: Duration) {
        let until = self.link.now() + time;
        loop {
            self.turn();
            let next = self.proxy.poll_at().map_or(until, |next| next.min(until));
            if self.link.now() >= until {
                return;
            }
            // What is due at this very moment is done by the next turn.
            self.link.advance(Some(next.max(self.link.now() + MICROSECOND)));
        }
    }

    fn turn(&mut self) {
        self.link.settle();
        let now = self.link.now();
        while self.link.a.next_event().is_some() {}
        for (flow, (words, heard)) in &mut self.clients {
            let Some(mut socket) = self.link.a.stream(*flow) else { continue };
            if !words.is_empty() {
                let said = socket.write(words).unwrap_or(0);
                words.drain(..said);
            }
            let mut octets = [0; 64];
            let count = socket.read(&mut octets).unwrap_or(0);
            heard.extend_from_slice(&octets[..count]);
        }
        while let Some(event) = self.link.b.next_event() {
            match event {
                engine::Event::Opened { flow, remote, .. } => {
                    self.proxy.opened(now, &mut self.link.b, flow, remote);
                }
                engine::Event::Ready(flow) => self.proxy.ready(now, &mut self.link.b, flow),
            }
        }
        self.proxy.work(now, &mut self.link.b);
        self.link.settle();
    }

    /// Waits for the kernel or the resolver, and lets the proxy take what there is.
    fn hear_host(&mut self) {
        hear(&mut self.poll, self.proxy.egress());
        self.turn();
    }

    /// Returns the code that a client's request was answered with.
    fn reply(&self, flow: FlowId) -> Option<u8> {
        self.clients[&flow].1.get(3).copied()
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let at = listener.local_addr().expect("it is bound");
    (listener, at)
}

/// Returns an address where nobody listens: the other tests' listeners are all at 127.0.0.1.
fn closed() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.9:0").expect("loopback has ports");
    listener.local_addr().expect("it is bound")
}

/// Returns whether nobody has connected to a listener.
fn is_left_alone(listener: &TcpListener) -> bool {
    listener.set_nonblocking(true).expect("it is open");
    let outcome = listener.accept();
    listener.set_nonblocking(false).expect("it is open");
    matches!(outcome, Err(error) if error.kind() == ErrorKind::WouldBlock)
}
