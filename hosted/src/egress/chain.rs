//! Out through another SOCKS5 server, which this one asks as a client of its own.
//!
//! Names go to that server as they came: nobody is asked for them here. So rules about addresses see only addresses
//! and literals; those about names and ports see everything.

use super::host::Host;
use super::lookup;
use super::{Asked, Dialed, Egress, Event, Failure, Leg, Policy, Rule, Socket, Upstream};
use crate::resolve::{Resolver, literal_of};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use mio::{Registry, Token};
use sockhop::machine::Machine;
use sockhop::relay::{Broken, Stream};
use sockhop::socks5::udp::{self, Datagram};
use sockhop::socks5::{Client, ClientError, ClientEvent, Command, Refusal};
use sockhop::time::Instant;
use sockhop::wire::{HostOf, Target, TargetOf};
use std::collections::{HashMap, VecDeque};

/// The longest reply is one with a name of 255 octets.
const REPLY: usize = 512;

/// One conversation with the other server.
#[derive(Debug)]
struct Talk {
    client: Client<Vec<u8>>,
    command: Command,
    /// Who wants it, and by which name.
    wanted: Asked,
    /// The connection, once it stands and until it is handed to the owner.
    stream: Option<Socket>,
    /// What the machine has said and the connection has not taken.
    unsent: Vec<u8>,
    /// The owner has been told where the other server listens.
    listens: bool,
    /// Where datagrams are to be sent, once that is known.
    relay: Option<SocketAddr>,
    /// What has come of the name that is asked for.
    name: Vec<u8>,
}

/// The egress through another server.
#[derive(Debug)]
pub struct Chain {
    host: Host,
    upstream: Upstream,
    policy: Policy,
    talks: HashMap<usize, Talk>,
    events: VecDeque<Event<Socket>>,
}

impl Chain {
    /// Returns an egress to one server, with sockets that have tokens from `first_token` upwards.
    pub fn new(
        registry: Registry,
        first_token: usize,
        policy: Policy,
        resolver: Resolver,
        upstream: Upstream,
    ) -> Self {
        // The rules are about the targets; the server itself may be anywhere but here.
        let any = Rule::new("any", true).into_iter().collect();
        let way = Policy { rules: any, ..policy.clone() };
        let host = Host::new(registry, first_token, way, resolver);
        // Where this host would route a target is of no matter to the server that reaches it.
        let policy = Policy { tun: Vec::new(), ..policy };
        Self { host, upstream, policy, talks: HashMap::new(), events: VecDeque::new() }
    }

    /// Returns the target as it is passed on, if the rules let it through.
    fn judge(&self, user: &str, target: Target<'_>) -> Result<TargetOf<Vec<u8>>, Failure> {
        let asked = |name| Asked { user: user.to_owned(), name };
        let host = match target.host {
            HostOf::Ip(ip) => {
                let at = self.policy.judge(&asked(None), SocketAddr::new(ip, target.port))?;
                HostOf::Ip(at.ip())
            }
            HostOf::Name(name) => {
                let unreachable = |text| Failure { refusal: Refusal::HostUnreachable, text };
                let asked = asked(Some(target.host.to_string()));
                match literal_of(name).map_err(unreachable)? {
                    Some(ip) => HostOf::Ip(self.policy.judge(&asked, SocketAddr::new(ip, target.port))?.ip()),
                    None => {
                        self.policy.judge_name(&asked, target.port)?;
                        HostOf::Name(name.to_vec())
                    }
                }
            }
        };
        Ok(TargetOf { host, port: target.port })
    }

    /// Begins a conversation; one that cannot be had ends at once.
    fn begin(
        &mut self,
        key: usize,
        command: Command,
        wanted: Asked,
        target: TargetOf<Vec<u8>>,
        now: Instant,
    ) {
        match Client::new(command, target, self.upstream.login.clone()) {
            Ok(client) => {
                self.talks.insert(
                    key,
                    Talk {
                        client,
                        command,
                        wanted,
                        stream: None,
                        unsent: Vec::new(),
                        listens: false,
                        relay: None,
                        name: Vec::new(),
                    },
                );
                self.host.dial(key, "", self.upstream.at.lend(), now);
            }
            Err(error) => {
                let failure = Failure { refusal: Refusal::General, text: error.to_string() };
                self.events.push_back(failed(key, command, failure));
            }
        }
    }

    /// Ends a conversation without what it was for.
    fn give_up(&mut self, key: usize, failure: Failure) {
        let Some(talk) = self.talks.remove(&key) else { return };
        self.host.cancel(key);
        let failure = Failure { text: format!("{}: {}", self.upstream, failure.text), ..failure };
        self.events.push_back(if talk.relay.is_some() {
            Event::Lost { key }
        } else if talk.listens {
            Event::Accepted { key, outcome: Err(failure) }
        } else {
            failed(key, talk.command, failure)
        });
    }

    /// Goes on with a conversation as far as it goes.
    fn talk(&mut self, key: usize, now: Instant) {
        let Some(talk) = self.talks.get_mut(&key) else { return };
        let Some(stream) = &mut talk.stream else { return };
        if talk.relay.is_some() {
            // The connection of an association says nothing more; its end is the association's.
            let open = loop {
                match stream.read(&mut [0; REPLY]) {
                    Ok(0) | Err(nb::Error::Other(_)) => break false,
                    Ok(_) => {}
                    Err(nb::Error::WouldBlock) => break true,
                }
            };
            if !open {
                self.give_up(key, Failure { refusal: Refusal::General, text: "it has ended".to_owned() });
            }
            return;
        }
        loop {
            if let Err(failure) = exchange(&mut talk.client, &mut talk.unsent, stream) {
                return self.give_up(key, failure);
            }
            match talk.client.poll() {
                Ok(ClientEvent::Listening { at }) => {
                    talk.client.noted();
                    talk.listens = true;
                    let outcome = Ok(whole(at, stream));
                    self.events.push_back(Event::Bound { key, outcome });
                }
                Ok(ClientEvent::Name { left }) => {
                    let mut room = [0; u8::MAX as usize];
                    match stream.read(&mut room[..left.into()]) {
                        Ok(0) => talk.client.end(),
                        Ok(count) => {
                            talk.name.extend_from_slice(&room[..count]);
                            talk.client.advance(u8::try_from(count).unwrap_or(left));
                        }
                        Err(nb::Error::WouldBlock) => return,
                        Err(nb::Error::Other(how)) => return self.give_up(key, broken(how)),
                    }
                }
                Ok(ClientEvent::Resolved { ip }) => return self.found(key, ip),
                Ok(ClientEvent::Relay { bound }) => {
                    let bound = whole(bound, stream);
                    return self.granted(key, bound, now);
                }
                Err(nb::Error::WouldBlock) => return,
                Err(nb::Error::Other(error)) => {
                    let refusal = match error {
                        ClientError::Refused(refusal) => refusal,
                        ClientError::Expired(_) => Refusal::TtlExpired,
                        _ => Refusal::General,
                    };
                    return self.give_up(key, Failure { refusal, text: error.to_string() });
                }
            }
        }
    }

    /// Tells what the other server has found, if it is an address that may be told or the name of one.
    fn found(&mut self, key: usize, ip: Option<IpAddr>) {
        let Some(talk) = self.talks.remove(&key) else { return };
        self.host.cancel(key);
        let outcome = match ip.map(|ip| ip.to_canonical()) {
            None => Ok(HostOf::Name(talk.name)),
            Some(ip) => self.policy.may_tell(&talk.wanted, Some(ip)).map(|()| HostOf::Ip(ip)),
        };
        self.events.push_back(Event::Resolved { key, outcome });
    }

    /// Hands over what the other server has granted.
    fn granted(&mut self, key: usize, bound: SocketAddr, now: Instant) {
        let Some(talk) = self.talks.get_mut(&key) else { return };
        if talk.command == Command::Associate {
            talk.relay = Some(bound);
            self.host.associate(key, "", now);
            return;
        }
        let Some(Talk { command, stream: Some(stream), .. }) = self.talks.remove(&key) else { return };
        let outcome = Ok(Dialed { stream: Leg::Own(stream), bound });
        self.events.push_back(match command {
            Command::Bind => Event::Accepted { key, outcome },
            Command::Connect | Command::Associate | Command::Resolve | Command::ResolvePtr => {
                Event::Dialed { key, outcome }
            }
        });
    }
}

/// Returns a user's wish of which nothing more is judged.
fn by(user: &str) -> Asked {
    Asked { user: user.to_owned(), name: None }
}

/// Returns how a request is told to have failed.
fn failed(key: usize, command: Command, failure: Failure) -> Event<Socket> {
    match command {
        Command::Connect => Event::Dialed { key, outcome: Err(failure) },
        Command::Bind => Event::Bound { key, outcome: Err(failure) },
        Command::Associate => Event::Associated { key, outcome: Err(failure) },
        Command::Resolve | Command::ResolvePtr => Event::Resolved { key, outcome: Err(failure) },
    }
}

/// Returns an address that a server has told; its own in place of an unspecified one.
fn whole(told: Option<SocketAddr>, stream: &Socket) -> SocketAddr {
    let none = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let told = told.unwrap_or(none);
    match stream.peer() {
        Some(peer) if told.ip().is_unspecified() => SocketAddr::new(peer.ip(), told.port()),
        Some(_) | None => told,
    }
}

/// Says that the connection to the other server broke.
fn broken(how: Broken) -> Failure {
    Failure { refusal: Refusal::General, text: how.to_string() }
}

/// Moves what the machine wants to say and hear, and leaves what is not for it where it is.
fn exchange(client: &mut Client<Vec<u8>>, unsent: &mut Vec<u8>, stream: &mut Socket) -> Result<(), Failure> {
    let mut room = [0; REPLY];
    loop {
        if unsent.is_empty() {
            let count = client.drain(&mut room);
            unsent.extend_from_slice(&room[..count]);
        }
        if !unsent.is_empty() {
            match stream.write(unsent) {
                Ok(taken) => {
                    unsent.drain(..taken);
                    continue;
                }
                Err(nb::Error::WouldBlock) => return Ok(()),
                Err(nb::Error::Other(how)) => return Err(broken(how)),
            }
        }
        match stream.peek(&mut room) {
            Ok(0) => {
                client.end();
                return Ok(());
            }
            Ok(count) => {
                let before = client.state();
                let taken = client.feed(&room[..count]);
                if taken == 0 && client.state() == before {
                    return Ok(());
                }
                // They were there a moment ago.
                if taken > 0 {
                    stream.read(&mut room[..taken]).map_err(|_| broken(Broken::Reset))?;
                }
            }
            Err(nb::Error::WouldBlock) => return Ok(()),
            Err(nb::Error::Other(how)) => return Err(broken(how)),
        }
    }
}

impl Egress for Chain {
    type Stream = Socket;

    fn dial(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant) {
        match self.judge(user, target) {
            Ok(target) => self.begin(key, Command::Connect, by(user), target, now),
            Err(failure) => self.events.push_back(failed(key, Command::Connect, failure)),
        }
    }

    fn bind(&mut self, key: usize, user: &str, peer: Target<'_>, now: Instant) {
        let host = match peer.host {
            HostOf::Ip(ip) => HostOf::Ip(ip),
            HostOf::Name(name) => HostOf::Name(name.to_vec()),
        };
        self.begin(key, Command::Bind, by(user), TargetOf { host, port: peer.port }, now);
    }

    fn associate(&mut self, key: usize, user: &str, now: Instant) {
        // Which port the datagrams will come from is known to nobody yet.
        let anywhere = TargetOf { host: HostOf::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port: 0 };
        self.begin(key, Command::Associate, by(user), anywhere, now);
    }

    fn resolve(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant) {
        let spelled = match target.host {
            HostOf::Ip(ip) => Ok(Some(ip)),
            HostOf::Name(name) => literal_of(name),
        };
        let wanted = Asked { user: user.to_owned(), name: super::named(target) };
        let unreachable = |text| Failure { refusal: Refusal::HostUnreachable, text };
        let told = spelled.map_err(unreachable).and_then(|ip| {
            self.policy.may_tell(&wanted, ip)?;
            Ok(ip.map(HostOf::Ip))
        });
        match (told.transpose(), target.host) {
            (None, HostOf::Name(name)) => {
                let target = TargetOf { host: HostOf::Name(name.to_vec()), port: target.port };
                self.begin(key, Command::Resolve, wanted, target, now);
            }
            (None, HostOf::Ip(_)) => debug_assert!(false, "an address is its own answer"),
            (Some(outcome), _) => self.events.push_back(Event::Resolved { key, outcome }),
        }
    }

    fn reverse(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant) {
        let wanted = Asked { user: user.to_owned(), name: None };
        let ip = lookup::address(target).and_then(|ip| self.policy.may_tell(&wanted, Some(ip)).map(|()| ip));
        match ip {
            Ok(ip) => {
                let target = TargetOf { host: HostOf::Ip(ip), port: target.port };
                self.begin(key, Command::ResolvePtr, wanted, target, now);
            }
            Err(failure) => self.events.push_back(failed(key, Command::ResolvePtr, failure)),
        }
    }

    fn send(&mut self, key: usize, target: Target<'_>, payload: &[u8], now: Instant) {
        let Some(talk) = self.talks.get(&key) else { return };
        let Some(relay) = talk.relay else { return };
        let Ok(target) = self.judge(&talk.wanted.user, target) else { return };
        let mut whole = Vec::with_capacity(payload.len() + 300);
        udp::header(target.lend(), |octets| whole.extend_from_slice(octets));
        whole.extend_from_slice(payload);
        let relay = TargetOf { host: HostOf::Ip(relay.ip()), port: relay.port() };
        self.host.send(key, relay, &whole, now);
    }

    fn cancel(&mut self, key: usize) {
        self.talks.remove(&key);
        self.host.cancel(key);
        self.events.retain(|event| event.key() != key);
    }

    fn reconfigure(&mut self, rules: Vec<Rule>) {
        self.policy.rules = rules;
    }

    fn ready(&mut self, token: Token) {
        self.host.ready(token);
    }

    fn next(&mut self, now: Instant) -> Option<Event<Socket>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            match self.host.next(now)? {
                Event::Dialed { key, outcome: Ok(dialed) } => {
                    if let Some(talk) = self.talks.get_mut(&key) {
                        talk.stream = dialed.stream.own();
                        self.talk(key, now);
                    }
                }
                Event::Dialed { key, outcome: Err(failure) } => {
                    // What keeps this host from the server says nothing of the target.
                    self.give_up(key, Failure { refusal: Refusal::General, ..failure });
                }
                Event::Ready { key } if self.talks.contains_key(&key) => self.talk(key, now),
                Event::Datagram { key, from, payload } => {
                    let known = self.talks.get(&key).is_some_and(|talk| talk.relay == Some(from));
                    if let (true, Ok(datagram)) = (known, Datagram::parse(&payload))
                        && let HostOf::Ip(ip) = datagram.target.host
                    {
                        let (from, payload) =
                            (SocketAddr::new(ip, datagram.target.port), datagram.payload.to_vec());
                        return Some(Event::Datagram { key, from, payload });
                    }
                }
                event => return Some(event),
            }
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        if self.events.is_empty() { self.host.poll_at() } else { Some(Instant::ZERO) }
    }
}
