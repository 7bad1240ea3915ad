//! Files between stacks on a simulated link: hostile, slow, and over a proxy in the middle.

use core::cell::RefCell;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use sockhop::file::{
    Algorithms, Delivery, Either, Error, Intake, Leading, Outcome, Receiver, Scene, Sender, SenderError, Turn,
};
use sockhop::machine::Machine;
use sockhop::relay::{Broken, Ring, Stream};
use sockhop::socks5::{Client, ClientEvent, Command, Refusal};
use sockhop::time::Instant;
use sockhop::trace::View;
use sockhop::wire::{Host, HostOf, Target, TargetOf};
use sockhop_hosted::egress::{self, Dialed, Egress, Failure, Leg};
use sockhop_hosted::engine::{Config, Engine, Event, FlowId};
use sockhop_hosted::lab::Tape;
use sockhop_hosted::link::{Dice, Link, Path, Pipe};
use sockhop_hosted::proxy::{self, Proxy};
use sockhop_tests::shelf::{Book, Shelf};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

const PORT: u16 = 7_007;
const SENDER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const MIDDLE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const RECEIVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);
/// A simulation that takes two hours of its own time is stuck.
const STUCK: u64 = 7_200_000_000;

fn engine(address: Ipv4Addr, seed: u64) -> Engine<Tape> {
    Engine::new(Config::new(vec![(IpAddr::V4(address), 24)], 1_500, [seed, !seed]), Tape::default())
}

fn link(ends: (Ipv4Addr, Ipv4Addr), path: &Path, seed: u64, heals: Option<Duration>) -> Link<Tape> {
    let pipe = |seed| {
        let pipe = Pipe::new(path.clone(), seed);
        match heals {
            Some(after) => pipe.healing(Instant::ZERO + after),
            None => pipe,
        }
    };
    Link::new(engine(ends.0, seed), engine(ends.1, seed.wrapping_mul(3) + 1), pipe(seed), pipe(!seed))
}

fn book(octets: usize) -> Book {
    Book { name: "a.bin".to_owned(), content: (0..octets).map(|at| (at * at / 7) as u8).collect() }
}

/// The sender's end, with the SOCKS conversation that comes first if there is one.
struct Home<'a> {
    client: Option<Client<Vec<u8>>>,
    delivery: Delivery<&'a str, &'a Book, Either>,
    flow: FlowId,
    ended: Option<Result<Outcome, SenderError>>,
}

impl<'a> Home<'a> {
    fn new(book: &'a Book, client: Option<Client<Vec<u8>>>, flow: FlowId) -> Self {
        let sender = Sender::new(book.name.as_str(), book.stat(), Algorithms::ALL).expect("a safe name");
        Self { client, delivery: Delivery::new(sender, book), flow, ended: None }
    }

    /// Does what can be done, and returns whether there is more to do at once.
    fn serve(&mut self, engine: &mut Engine<Tape>, now: Instant) -> bool {
        if self.ended.is_some() {
            return false;
        }
        let Some((mut ring, recorder)) = engine.watched(self.flow) else {
            self.ended = Some(Err(SenderError::Broken(self.delivery.sender().state())));
            return false;
        };
        if let Some(client) = &mut self.client {
            let said = ring.with_space(|space| pair(client.drain(space))).unwrap_or(0);
            let heard = ring.with_received(|octets| pair(client.feed(octets))).ok().flatten().unwrap_or(0);
            match client.poll() {
                Ok(ClientEvent::Relay { .. }) => self.client = None,
                Ok(
                    ClientEvent::Listening { .. } | ClientEvent::Name { .. } | ClientEvent::Resolved { .. },
                )
                | Err(nb::Error::WouldBlock) => return said + heard > 0,
                Err(nb::Error::Other(error)) => panic!("the proxy leads on: {error}"),
            }
        }
        let mut scratch = [0; 512];
        let mut scene = Scene { now, scratch: &mut scratch, recorder, flow: self.flow.serial() };
        match self.delivery.pump(&mut ring, &mut scene) {
            Turn::Again => return true,
            Turn::Wait => return false,
            Turn::Done(outcome) => {
                ring.close();
                self.ended = Some(Ok(outcome));
            }
            Turn::Failed(error) => {
                ring.abort();
                self.ended = Some(Err(error));
            }
        }
        engine.release(self.flow);
        false
    }

    fn deadline(&self) -> Option<Instant> {
        self.delivery.deadline().filter(|_| self.ended.is_none())
    }
}

/// The receiver's end.
struct Inbox<'a> {
    intake: Intake<&'a mut Shelf, Either>,
    flow: Option<FlowId>,
    ended: Option<Result<Outcome, Error>>,
}

impl<'a> Inbox<'a> {
    fn new(shelf: &'a mut Shelf) -> Self {
        let intake = Intake::new(Receiver::new(Algorithms::ALL, Leading::Plain), shelf);
        Self { intake, flow: None, ended: None }
    }

    fn serve(&mut self, engine: &mut Engine<Tape>, now: Instant) -> bool {
        while let Some(event) = engine.next_event() {
            if let Event::Opened { flow, .. } = event {
                self.flow.get_or_insert(flow);
            }
        }
        let Some(flow) = self.flow.filter(|_| self.ended.is_none()) else { return false };
        let Some((mut ring, recorder)) = engine.watched(flow) else {
            let state = self.intake.receiver().state();
            self.intake.abandon();
            self.ended = Some(Err(Error::Broken(state)));
            return false;
        };
        let mut scratch = [0; 512];
        let mut scene = Scene { now, scratch: &mut scratch, recorder, flow: flow.serial() };
        match self.intake.pump(&mut ring, &mut scene) {
            Turn::Again => return true,
            Turn::Wait => return false,
            Turn::Done(outcome) => {
                ring.close();
                self.ended = Some(Ok(outcome));
            }
            Turn::Failed(error) => {
                ring.abort();
                self.ended = Some(Err(error));
            }
        }
        engine.release(flow);
        false
    }

    fn deadline(&self) -> Option<Instant> {
        self.intake.deadline().filter(|_| self.ended.is_none() && self.flow.is_some())
    }
}

const fn pair(count: usize) -> (usize, usize) {
    (count, count)
}

/// Sends a book from one end of a link to the other; returns how both ended, and how long it took.
fn transfer(
    book: &Book,
    shelf: &mut Shelf,
    link: &mut Link<Tape>,
    pause: Option<(Duration, Duration)>,
) -> (Result<Outcome, SenderError>, Option<Result<Outcome, Error>>) {
    let at = SocketAddr::from((RECEIVER, PORT));
    link.b.listen(at, 1);
    let flow = link.a.connect(link.now(), SocketAddr::from((SENDER, 0)), at).expect("there is room");
    let (mut home, mut inbox) = (Home::new(book, None, flow), Inbox::new(shelf));
    while link.now().micros() < STUCK {
        link.settle();
        let now = link.now();
        while link.a.next_event().is_some() {}
        let mut more = home.serve(&mut link.a, now);
        let asleep = pause.filter(|(from, to)| (*from..*to).contains(&now.since(Instant::ZERO)));
        if asleep.is_none() {
            more |= inbox.serve(&mut link.b, now);
        } else {
            while link.b.next_event().is_some() {}
        }
        link.settle();
        let over = home.ended.is_some() && (inbox.ended.is_some() || inbox.flow.is_none());
        if over && link.next().is_none() {
            break;
        }
        let wake = pause.map(|(_, to)| Instant::ZERO + to).filter(|to| *to > now);
        let next = if more {
            Some(now)
        } else {
            [home.deadline(), inbox.deadline(), wake].into_iter().flatten().min()
        };
        if !link.advance(next) && !more {
            break;
        }
    }
    (home.ended.expect("the sender's end comes"), inbox.ended)
}

#[test]
fn on_hostile_links_both_sides_are_verified_or_both_know_better() {
    let (mut verified, mut failed) = (0, 0);
    for seed in 0..150 {
        let mut dice = Dice::new(seed);
        let path = Path {
            delay: Duration::from_millis(1 + dice.below(60)),
            jitter: Duration::from_millis(dice.below(30)),
            loss: dice.below(120) as u16,
            duplicate: dice.below(60) as u16,
            reorder: dice.below(120) as u16,
            corrupt: dice.below(30) as u16,
            cuts: if seed % 5 == 0 {
                vec![(Duration::from_secs(1 + dice.below(3)), Duration::from_secs(100_000))]
            } else {
                vec![]
            },
            ..Path::default()
        };
        let book = book(dice.below(120_000) as usize);
        let mut shelf = Shelf::default();
        let mut link = link((SENDER, RECEIVER), &path, seed, None);
        let (sent, got) = transfer(&book, &mut shelf, &mut link, None);
        match shelf.files.get(&book.name) {
            Some(file) => assert!(file == &book.content, "seed {seed}: the file is whole"),
            None => {
                assert!(sent.is_err() && got.is_none_or(|got| got.is_err()), "seed {seed}: {sent:?}, {got:?}")
            }
        }
        if sent == Ok(Outcome::Verified) {
            assert_eq!(got, Some(Ok(Outcome::Verified)), "seed {seed}");
            verified += 1;
        } else {
            failed += 1;
        }
    }
    println!("{verified} verified, {failed} failed on both sides");
    assert!(verified >= 100 && failed > 0, "{verified} verified, {failed} failed");
}

#[test]
fn a_slow_disk_closes_the_window_back_to_the_senders_disk() {
    let path = Path { delay: Duration::from_millis(10), ..Path::default() };
    let mut link = link((SENDER, RECEIVER), &path, 7, None);
    let (book, mut shelf) = (book(600_000), Shelf::default());
    let pause = (Duration::from_millis(60), Duration::from_secs(20));
    let (sent, got) = transfer(&book, &mut shelf, &mut link, Some(pause));
    assert_eq!((sent, got), (Ok(Outcome::Verified), Some(Ok(Outcome::Verified))));
    let windows = link.b.sink().0.iter().filter_map(|event| match event.view()? {
        View::Segment { sent: true, window, .. } => Some((event.time(), window)),
        _ => None,
    });
    let mut windows = windows.skip_while(|(_, window)| *window > 0);
    let closed = windows.next().expect("the window closes").0;
    let opened = windows.find(|(_, window)| *window > 0).expect("and opens again").0;
    assert!(closed < Instant::from_micros(2_000_000) && opened >= Instant::from_micros(20_000_000));
    // While it stands closed nothing but probes leaves the sender: its disk is not read.
    let sent_meanwhile: u64 = link
        .a
        .sink()
        .0
        .iter()
        .filter(|event| closed + pause.0 < event.time() && event.time() < opened)
        .filter_map(|event| match event.view()? {
            View::Segment { sent: true, len, .. } => Some(u64::from(len)),
            _ => None,
        })
        .sum();
    assert!(sent_meanwhile < 200, "{sent_meanwhile} octets");
    println!("closed at {closed}, open again at {opened}, {sent_meanwhile} octets of probes meanwhile");
}

type Shared = Rc<RefCell<Link<Tape>>>;

/// A way out through the stack at one end of a second link.
struct Onward {
    link: Shared,
    dials: HashMap<FlowId, usize>,
    flows: HashMap<FlowId, usize>,
    events: VecDeque<egress::Event<Hop>>,
}

impl core::fmt::Debug for Onward {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Onward").finish_non_exhaustive()
    }
}

impl Egress for Onward {
    type Stream = Hop;

    fn dial(&mut self, key: usize, _user: &str, target: Target<'_>, now: Instant) {
        let Host::Ip(ip) = target.host else { panic!("an address is asked for") };
        let remote = SocketAddr::new(ip, target.port);
        let flow = self.link.borrow_mut().a.connect(now, SocketAddr::from((MIDDLE, 0)), remote);
        self.dials.insert(flow.expect("there is room"), key);
    }

    fn bind(&mut self, key: usize, _user: &str, _peer: Target<'_>, _now: Instant) {
        let failure = Failure { refusal: Refusal::CommandNotSupported, text: String::new() };
        self.events.push_back(egress::Event::Bound { key, outcome: Err(failure) });
    }

    fn associate(&mut self, _key: usize, _user: &str, _now: Instant) {}

    fn resolve(&mut self, _key: usize, _user: &str, _target: Target<'_>, _now: Instant) {}

    fn reverse(&mut self, _key: usize, _user: &str, _target: Target<'_>, _now: Instant) {}

    fn send(&mut self, _key: usize, _target: Target<'_>, _payload: &[u8], _now: Instant) {}

    fn cancel(&mut self, key: usize) {
        for flow in self.flows.iter().filter(|(_, of)| **of == key).map(|(flow, _)| *flow).collect::<Vec<_>>()
        {
            self.flows.remove(&flow);
            self.link.borrow_mut().a.release(flow);
        }
    }

    fn next(&mut self, _now: Instant) -> Option<egress::Event<Hop>> {
        while let Some(event) = self.link.borrow_mut().a.next_event() {
            let Event::Ready(flow) = event else { continue };
            if let Some(key) = self.dials.remove(&flow) {
                self.flows.insert(flow, key);
                let stream = Leg::Own(Hop { link: Rc::clone(&self.link), flow });
                let bound = SocketAddr::from((MIDDLE, 1));
                self.events.push_back(egress::Event::Dialed { key, outcome: Ok(Dialed { stream, bound }) });
            } else if let Some(key) = self.flows.get(&flow) {
                self.events.push_back(egress::Event::Ready { key: *key });
            }
        }
        self.events.pop_front()
    }

    fn poll_at(&self) -> Option<Instant> {
        (!self.events.is_empty()).then_some(Instant::ZERO)
    }
}

/// The proxy's connection to the receiver, on its second stack.
#[derive(Clone)]
struct Hop {
    link: Shared,
    flow: FlowId,
}

impl core::fmt::Debug for Hop {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.flow.fmt(f)
    }
}

impl Hop {
    fn with<R>(&self, broken: R, verb: impl FnOnce(&mut sockhop::stack::Socket<'_, 'static>) -> R) -> R {
        self.link.borrow_mut().a.stream(self.flow).map_or(broken, |mut socket| verb(&mut socket))
    }
}

impl Stream for Hop {
    fn read(&mut self, into: &mut [u8]) -> nb::Result<usize, Broken> {
        self.with(Err(nb::Error::Other(Broken::Reset)), |socket| socket.read(into))
    }

    fn write(&mut self, from: &[u8]) -> nb::Result<usize, Broken> {
        self.with(Err(nb::Error::Other(Broken::Reset)), |socket| socket.write(from))
    }

    fn close(&mut self) {
        self.with((), |socket| socket.close());
    }

    fn abort(&mut self) {
        self.with((), |socket| socket.abort());
    }
}

/// Returns a client that asks a proxy for this target.
fn asking_for(target: SocketAddr) -> Client<Vec<u8>> {
    let asked = TargetOf { host: HostOf::Ip(target.ip()), port: target.port() };
    Client::new(Command::Connect, asked, None).expect("an address fits")
}

#[test]
fn over_three_hops_with_loss_and_reordering_the_digests_are_equal() {
    let path = Path {
        delay: Duration::from_millis(8),
        jitter: Duration::from_millis(4),
        loss: 50,
        reorder: 50,
        ..Path::default()
    };
    for seed in 1..4 {
        let mut near = link((SENDER, MIDDLE), &path, seed, None);
        let far: Shared = Rc::new(RefCell::new(link((MIDDLE, RECEIVER), &path, !seed, None)));
        let target = SocketAddr::from((RECEIVER, PORT));
        far.borrow_mut().b.listen(target, 1);
        let socks = SocketAddr::from((MIDDLE, 1_080));
        near.b.listen(socks, 1);
        let onward = Onward {
            link: Rc::clone(&far),
            dials: HashMap::new(),
            flows: HashMap::new(),
            events: VecDeque::new(),
        };
        let mut proxy = Proxy::new(proxy::Config::default(), onward);
        let flow =
            near.a.connect(Instant::ZERO, SocketAddr::from((SENDER, 0)), socks).expect("there is room");
        let client = asking_for(target);
        let (book, mut shelf) = (book(200_000), Shelf::default());
        let (mut home, mut inbox) = (Home::new(&book, Some(client), flow), Inbox::new(&mut shelf));
        while near.now().micros() < STUCK && (home.ended.is_none() || inbox.ended.is_none()) {
            near.settle();
            far.borrow_mut().settle();
            let now = near.now().max(far.borrow().now());
            while near.a.next_event().is_some() {}
            let mut more = home.serve(&mut near.a, now);
            more |= inbox.serve(&mut far.borrow_mut().b, now);
            while let Some(event) = near.b.next_event() {
                match event {
                    Event::Opened { flow, remote, .. } => proxy.opened(now, &mut near.b, flow, remote),
                    Event::Ready(flow) => proxy.ready(now, &mut near.b, flow),
                }
            }
            proxy.work(now, &mut near.b);
            near.settle();
            far.borrow_mut().settle();
            let next = [near.next(), far.borrow().next(), proxy.poll_at(), home.deadline(), inbox.deadline()];
            let next =
                if more { Some(now) } else { next.into_iter().flatten().min().map(|next| next.max(now)) };
            near.advance(next);
            far.borrow_mut().advance(next);
        }
        assert_eq!(
            (home.ended, inbox.ended),
            (Some(Ok(Outcome::Verified)), Some(Ok(Outcome::Verified))),
            "{seed}"
        );
        let sums = (
            home.delivery.digest().map(sockhop::file::Digest::sum),
            inbox.intake.digest().map(sockhop::file::Digest::sum),
        );
        assert!(sums.0.is_some() && sums.0 == sums.1);
        assert_eq!(shelf.files["a.bin"], book.content);
    }
}
