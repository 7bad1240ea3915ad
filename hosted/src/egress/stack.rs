//! Out through the stack that the clients come to, so that both legs of a session can be seen.
//!
//! What is asked of this egress waits until the stack is lent to it: `work` begins dials, opens listeners and ports,
//! sends datagrams and gives back what nobody wants any more.

use super::lookup::LookUps;
use super::named::{Names, Sent};
use super::race::{Race, Step};
use super::{Asked as Wanted, Dialed, Egress, Event, Failure, Found, Leg, Policy, Rule, Socket};
use crate::engine::{Datagram, Engine, FlowId, Service, Unreachable};
use crate::resolve::Resolver;
use core::net::{IpAddr, SocketAddr};
use sockhop::socks5::Refusal;
use sockhop::tcp::State;
use sockhop::time::Instant;
use sockhop::trace::Sink;
use sockhop::wire::{Host as Name, Target};
use std::collections::{HashMap, HashSet, VecDeque};

/// The service of the listeners that this egress opens on the stack.
pub const BOUND: Service = u32::MAX;
/// Hosts that one association may write to; more would be a scan.
const HOSTS: usize = 1_024;

/// What an egress may ask of the stack it goes out through.
pub trait Stack {
    /// Begins to connect from the stack's own address.
    ///
    /// # Errors
    /// [`Failure`] when the stack has no address of the target's family or no room.
    fn dial(&mut self, to: SocketAddr, now: Instant) -> Result<FlowId, Failure>;

    /// Returns our end of a connection that was dialed, or why there is none; `None` while its peer is asked.
    fn outcome(&self, flow: FlowId, to: SocketAddr) -> Option<Result<SocketAddr, Failure>>;

    /// Gives a connection back.
    fn give_back(&mut self, flow: FlowId);

    /// Listens for one connection from a peer, or from anybody if that is unspecified.
    ///
    /// # Errors
    /// [`Failure`] when the stack has no address of the peer's family or no port.
    fn listen(&mut self, peer: IpAddr) -> Result<SocketAddr, Failure>;

    /// Ends a listener.
    fn unlisten(&mut self, at: SocketAddr);

    /// Opens a port for datagrams to hosts of a target's family; `None` when there is none.
    fn open_port_towards(&mut self, target: IpAddr) -> Option<SocketAddr>;

    /// Closes such a port.
    fn close(&mut self, at: SocketAddr);

    /// Sends a datagram; the stack drops it if it has no room.
    fn send(&mut self, at: SocketAddr, to: SocketAddr, payload: &[u8]);
}

impl<S: Sink> Stack for Engine<S> {
    fn dial(&mut self, to: SocketAddr, now: Instant) -> Result<FlowId, Failure> {
        let from = SocketAddr::new(self.own(to.ip()).ok_or_else(|| no_family(to))?, 0);
        self.connect(now, from, to).ok_or_else(|| Failure {
            refusal: Refusal::General,
            text: format!("{to}: the stack has no room for another connection"),
        })
    }

    fn outcome(&self, flow: FlowId, to: SocketAddr) -> Option<Result<SocketAddr, Failure>> {
        let failed = |refusal, text: &str| Some(Err(Failure { refusal, text: format!("{to}: {text}") }));
        match self.state(flow) {
            State::SynSent | State::SynReceived | State::Listen => None,
            State::Closed => match self.unreachable(flow) {
                Some(Unreachable::Network) => {
                    failed(Refusal::NetworkUnreachable, "its network is unreachable")
                }
                Some(Unreachable::Host) => failed(Refusal::HostUnreachable, "the host is unreachable"),
                Some(Unreachable::Port) => failed(Refusal::ConnectionRefused, "the port is unreachable"),
                None if self.has_expired(flow) => failed(Refusal::TtlExpired, "it did not answer"),
                None => failed(Refusal::ConnectionRefused, "connection refused"),
            },
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => self.ends(flow).map(|(local, _)| Ok(local)),
        }
    }

    fn give_back(&mut self, flow: FlowId) {
        self.release(flow);
    }

    fn listen(&mut self, peer: IpAddr) -> Result<SocketAddr, Failure> {
        let peer = peer.to_canonical();
        let own = self.own(peer).ok_or_else(|| no_family(SocketAddr::new(peer, 0)))?;
        let only = (!peer.is_unspecified()).then_some(peer);
        self.listen_once(own, only, BOUND).ok_or_else(|| Failure {
            refusal: Refusal::General,
            text: "the stack has no port left to listen at".to_owned(),
        })
    }

    fn unlisten(&mut self, at: SocketAddr) {
        self.unlisten(at);
    }

    fn open_port_towards(&mut self, target: IpAddr) -> Option<SocketAddr> {
        let own = self.own(target)?;
        self.open_port(own)
    }

    fn close(&mut self, at: SocketAddr) {
        self.close_port(at);
    }

    fn send(&mut self, at: SocketAddr, to: SocketAddr, payload: &[u8]) {
        self.send_datagram(at, to, payload);
    }
}

fn no_family(to: SocketAddr) -> Failure {
    let family = if to.is_ipv4() { "IPv4" } else { "IPv6" };
    let text = format!("{to}: the stack has no {family} address");
    Failure { refusal: Refusal::NetworkUnreachable, text }
}

/// One association's ports on the stack and the hosts it has written to.
#[derive(Debug, Default)]
struct Association {
    user: String,
    four: Option<SocketAddr>,
    six: Option<SocketAddr>,
    known: HashSet<IpAddr>,
}

/// What is to be done as soon as the stack is lent.
#[derive(Debug)]
enum Errand {
    Try(usize),
    Listen(usize, IpAddr),
    /// Send a datagram to an address.
    Send(usize, SocketAddr, Vec<u8>),
    /// Send one to the first address of its name that it may go to.
    SendNamed(Sent),
    GiveBack(FlowId),
    Unlisten(SocketAddr),
    ClosePort(SocketAddr),
}

/// The egress through the stack itself.
#[derive(Debug)]
pub struct OnStack {
    policy: Policy,
    resolver: Resolver,
    race: Race<FlowId>,
    /// Whose each connection is, and where it goes while it is being opened.
    flows: HashMap<FlowId, (usize, Option<SocketAddr>)>,
    established: HashMap<usize, FlowId>,
    listeners: HashMap<usize, SocketAddr>,
    awaited: HashMap<SocketAddr, usize>,
    associations: HashMap<usize, Association>,
    ports: HashMap<SocketAddr, usize>,
    names: Names,
    look_ups: LookUps,
    errands: VecDeque<Errand>,
    touched: VecDeque<FlowId>,
    events: VecDeque<Event<Socket>>,
    generation: u64,
}

impl OnStack {
    /// Returns an egress that has opened nothing.
    pub fn new(policy: Policy, resolver: Resolver) -> Self {
        Self {
            policy,
            resolver,
            race: Race::new(),
            flows: HashMap::new(),
            established: HashMap::new(),
            listeners: HashMap::new(),
            awaited: HashMap::new(),
            associations: HashMap::new(),
            ports: HashMap::new(),
            names: Names::default(),
            look_ups: LookUps::default(),
            errands: VecDeque::new(),
            touched: VecDeque::new(),
            events: VecDeque::new(),
            generation: 0,
        }
    }

    /// Takes what the resolver has found and what has had its time.
    fn resolved(&mut self, now: Instant) {
        while let Some((key, generation, answer)) = self.resolver.answer() {
            let sent = self.names.answered(generation, &answer, now);
            self.errands.extend(sent.into_iter().map(Errand::SendNamed));
            let found = self.look_ups.resolved(key, generation, &answer, &self.policy);
            self.found(key, found);
            match self.race.answered(key, generation, answer) {
                Ok(()) => self.errands.push_back(Errand::Try(key)),
                Err(failure) => self.finish(key, None, Err(failure)),
            }
        }
        while let Some((key, generation, name)) = self.resolver.name() {
            let found = self.look_ups.named(key, generation, name);
            self.found(key, found);
        }
        self.names.elapse(now);
        while let Some((key, late)) = self.look_ups.due(now) {
            self.found(key, Some(late));
        }
        while let Some((key, late)) = self.race.due(now) {
            match late {
                Some(failure) => self.finish(key, None, Err(failure)),
                None => self.errands.push_back(Errand::Try(key)),
            }
        }
    }

    /// Tells what was looked up, if it was.
    fn found(&mut self, key: usize, found: Option<Found>) {
        self.events.extend(found.map(|outcome| Event::Resolved { key, outcome }));
    }

    /// Begins with the next address of a dial; ends the dial when none is left and none is under way.
    fn try_next(&mut self, key: usize, stack: &mut dyn Stack, now: Instant) {
        loop {
            let at = match self.race.step(key, &self.policy) {
                Step::Try(at) => at,
                Step::Wait => return,
                Step::Fail(failure) => return self.finish(key, None, Err(failure)),
            };
            match stack.dial(at, now) {
                Ok(flow) => {
                    self.flows.insert(flow, (key, Some(at)));
                    return self.race.begun(key, flow, now);
                }
                Err(failure) => self.race.failed(key, None, failure),
            }
        }
    }

    /// Looks what has become of a connection.
    fn look(&mut self, flow: FlowId, stack: &dyn Stack) {
        let Some((key, trying)) = self.flows.get(&flow).copied() else { return };
        let Some(at) = trying else { return self.events.push_back(Event::Ready { key }) };
        match stack.outcome(flow, at) {
            None => {}
            Some(Ok(bound)) => {
                self.flows.insert(flow, (key, None));
                self.established.insert(key, flow);
                self.finish(key, Some(flow), Ok(Dialed { stream: Leg::Flow(flow), bound }));
            }
            Some(Err(failure)) => {
                self.forget(flow);
                self.race.failed(key, Some(flow), failure);
                self.errands.push_back(Errand::Try(key));
            }
        }
    }

    /// Sends a datagram of an association's; returns whether the rules and the stack let it.
    fn send_to(
        &mut self,
        key: usize,
        (name, to): (Option<String>, SocketAddr),
        payload: &[u8],
        stack: &mut dyn Stack,
    ) -> bool {
        let Some(association) = self.associations.get_mut(&key) else { return false };
        let wanted = Wanted { user: association.user.clone(), name };
        let Ok(to) = self.policy.judge(&wanted, to) else { return false };
        if association.known.len() >= HOSTS && !association.known.contains(&to.ip()) {
            return false;
        }
        let place = if to.is_ipv4() { &mut association.four } else { &mut association.six };
        if place.is_none() {
            *place = stack.open_port_towards(to.ip());
        }
        if let Some(at) = *place {
            self.ports.insert(at, key);
            association.known.insert(to.ip());
            stack.send(at, to, payload);
        }
        place.is_some()
    }

    fn listen(&mut self, key: usize, peer: IpAddr, stack: &mut dyn Stack) {
        let outcome = stack.listen(peer);
        if let Ok(at) = outcome {
            self.listeners.insert(key, at);
            self.awaited.insert(at, key);
        }
        self.events.push_back(Event::Bound { key, outcome });
    }

    fn run(&mut self, errand: Errand, stack: &mut dyn Stack, now: Instant) {
        match errand {
            Errand::Try(key) => self.try_next(key, stack, now),
            Errand::Listen(key, peer) => self.listen(key, peer, stack),
            // One that can go nowhere is lost, as it might be anywhere on its way.
            Errand::Send(key, to, payload) => drop(self.send_to(key, (None, to), &payload, stack)),
            Errand::SendNamed(sent) => {
                let _ = sent.addresses.iter().find(|ip| {
                    let to = (Some(sent.name.clone()), SocketAddr::new(**ip, sent.port));
                    self.send_to(sent.key, to, &sent.payload, stack)
                });
            }
            Errand::GiveBack(flow) => stack.give_back(flow),
            Errand::Unlisten(at) => stack.unlisten(at),
            Errand::ClosePort(at) => stack.close(at),
        }
    }

    /// Ends a dial and gives back what else it was trying.
    fn finish(&mut self, key: usize, winner: Option<FlowId>, outcome: Result<Dialed<Socket>, Failure>) {
        for flow in self.race.end(key, winner) {
            self.forget(flow);
        }
        self.events.push_back(Event::Dialed { key, outcome });
    }

    fn forget(&mut self, flow: FlowId) {
        if self.flows.remove(&flow).is_some() {
            self.errands.push_back(Errand::GiveBack(flow));
        }
    }

    fn unlisten(&mut self, key: usize) {
        if let Some(at) = self.listeners.remove(&key) {
            self.awaited.remove(&at);
            self.errands.push_back(Errand::Unlisten(at));
        }
    }
}

impl Egress for OnStack {
    type Stream = Socket;

    fn dial(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant) {
        debug_assert!(
            !self.race.contains(key) && !self.established.contains_key(&key),
            "cancel() comes before a key is used again"
        );
        self.generation += 1;
        match self.race.begin((key, self.generation), user, target, &self.resolver, now) {
            Ok(()) => self.errands.push_back(Errand::Try(key)),
            Err(failure) => self.events.push_back(Event::Dialed { key, outcome: Err(failure) }),
        }
    }

    fn bind(&mut self, key: usize, _user: &str, peer: Target<'_>, _now: Instant) {
        match peer.host {
            Name::Ip(ip) => self.errands.push_back(Errand::Listen(key, ip)),
            // Whoever may connect has to be known when he does.
            Name::Name(_) => {
                let text = format!("{peer}: nobody is waited for by name");
                let failure = Failure { refusal: Refusal::AddressTypeNotSupported, text };
                self.events.push_back(Event::Bound { key, outcome: Err(failure) });
            }
        }
    }

    fn associate(&mut self, key: usize, user: &str, _now: Instant) {
        self.associations.insert(key, Association { user: user.to_owned(), ..Association::default() });
        self.events.push_back(Event::Associated { key, outcome: Ok(()) });
    }

    fn resolve(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant) {
        self.generation += 1;
        let means = (&self.policy, &self.resolver);
        let found = self.look_ups.resolve((key, self.generation), user, target, means, now);
        self.found(key, found);
    }

    fn reverse(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant) {
        self.generation += 1;
        let means = (&self.policy, &self.resolver);
        let found = self.look_ups.reverse((key, self.generation), user, target, means, now);
        self.found(key, found);
    }

    fn send(&mut self, key: usize, target: Target<'_>, payload: &[u8], now: Instant) {
        if !self.associations.contains_key(&key) {
            return;
        }
        self.generation += 1;
        match target.host {
            Name::Ip(ip) => {
                let to = SocketAddr::new(ip, target.port);
                self.errands.push_back(Errand::Send(key, to, payload.to_vec()));
            }
            Name::Name(name) => {
                let whose = (key, self.generation);
                let known = self.names.send(whose, (name, target.port), payload, &self.resolver, now);
                self.errands.extend(known.map(Errand::SendNamed));
            }
        }
    }

    fn cancel(&mut self, key: usize) {
        for flow in self.race.end(key, None) {
            self.forget(flow);
        }
        if let Some(flow) = self.established.remove(&key) {
            self.forget(flow);
        }
        self.unlisten(key);
        if let Some(association) = self.associations.remove(&key) {
            for at in [association.four, association.six].into_iter().flatten() {
                self.ports.remove(&at);
                self.errands.push_back(Errand::ClosePort(at));
            }
        }
        self.names.cancel(key);
        self.look_ups.cancel(key);
        self.events.retain(|event| event.key() != key);
    }

    fn reconfigure(&mut self, rules: Vec<Rule>) {
        self.policy.rules = rules;
    }

    fn work(&mut self, stack: &mut dyn Stack, now: Instant) {
        self.resolved(now);
        while let Some(flow) = self.touched.pop_front() {
            self.look(flow, stack);
        }
        while let Some(errand) = self.errands.pop_front() {
            self.run(errand, stack, now);
        }
    }

    fn came(&mut self, flow: FlowId, at: SocketAddr, from: SocketAddr) {
        let Some(key) = self.awaited.get(&at).copied() else {
            return self.errands.push_back(Errand::GiveBack(flow));
        };
        self.unlisten(key);
        self.flows.insert(flow, (key, None));
        self.established.insert(key, flow);
        let outcome = Ok(Dialed { stream: Leg::Flow(flow), bound: from });
        self.events.push_back(Event::Accepted { key, outcome });
    }

    fn touched(&mut self, flow: FlowId) {
        if self.flows.contains_key(&flow) {
            self.touched.push_back(flow);
        }
    }

    fn arrived(&mut self, datagram: Datagram) {
        let Datagram { at, from, payload } = datagram;
        let Some(key) = self.ports.get(&at).copied() else { return };
        if self.associations.get(&key).is_some_and(|association| association.known.contains(&from.ip())) {
            self.events.push_back(Event::Datagram { key, from, payload });
        }
    }

    fn next(&mut self, _now: Instant) -> Option<Event<Socket>> {
        self.events.pop_front()
    }

    fn poll_at(&self) -> Option<Instant> {
        if !self.events.is_empty() || !self.errands.is_empty() || !self.touched.is_empty() {
            return Some(Instant::ZERO);
        }
        [self.race.next(), self.names.next(), self.look_ups.next()].into_iter().flatten().min()
    }
}
