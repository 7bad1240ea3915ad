//! One client's conversation, dial and relay.
//!
//! ```text
//! Talking  ─► Dialing    : the request is complete, and a connection to its target is being opened
//! Dialing  ─► Talking    : it stands, or has failed, and the machine replies
//! Talking  ─► Relaying   : the reply that grants is sent
//! Talking  ─► Associated : a port for the client's datagrams is open
//! ```

use super::proxy::Policy;
use super::{Datagram, FlowId, Nic, Node, Opened, end};
use crate::machine::{Machine, exchange};
use crate::relay::{Relay, Ring, State as RelayState, Stream};
use crate::socks::{AnyServer, Error};
use crate::socks5::udp::{self, Datagram as Wrapped};
use crate::socks5::{Command, Event, Login, Refusal};
use crate::tcp::State;
use crate::time::{Instant, Patience, Reason};
use crate::trace::{Sink, Traced};
use crate::wire::{HostOf, Target};
use core::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use core::time::Duration;

/// How long the remaining direction of a relay may go without an octet.
const HALF_CLOSE: Duration = Duration::from_secs(60);
/// How long both directions may.
const IDLE: Duration = Duration::from_secs(300);
/// How long an association may go without a datagram.
const DATAGRAMS: Duration = Duration::from_secs(120);
/// Hosts that an association may hear from: those it wrote to last.
const HEARD: usize = 4;
/// The octets of the header in front of a datagram from an IPv4 host (RFC 1928 §7).
const HEADER: usize = 10;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum End {
    /// Both sides closed, each after its last octet.
    Complete,
    /// The conversation failed, or the request was refused.
    Failed(Error),
    /// A side broke, and the other was told so.
    Broken,
    /// The client left.
    Left,
    /// A deadline passed.
    Expired(Reason),
}

/// What is to be said of a session that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The number of the client's connection in traces.
    pub flow: u32,
    /// The client.
    pub client: SocketAddrV4,
    /// Octets carried from the client and to it.
    pub octets: (u64, u64),
    /// Why it ended.
    pub end: End,
}

/// A port for a client's datagrams, and who may use it.
#[derive(Clone, Debug)]
struct Association {
    at: u16,
    /// The client; its port is learnt from its first datagram unless the request named it.
    client: SocketAddrV4,
    /// The hosts that were written to, the latest first.
    heard: [Option<Ipv4Addr>; HEARD],
    octets: (u64, u64),
}

enum Stage {
    Talking,
    Dialing(FlowId),
    Relaying(FlowId),
    Associated(Association),
}

/// One client.
pub(super) struct Session<const INBOX: usize> {
    flow: FlowId,
    client: SocketAddrV4,
    /// Whether every place is taken, so that its request will be refused.
    crowded: bool,
    server: AnyServer<INBOX>,
    stage: Stage,
    /// The connection to the target, until the reply is sent.
    dialed: Option<FlowId>,
    relay: Relay,
    /// What is being waited for, and since when.
    clock: Option<(Reason, Instant)>,
}

impl<const INBOX: usize> Session<INBOX> {
    /// Returns the session of a client that has said nothing yet.
    pub(super) const fn new(opened: Opened, login: Login) -> Self {
        Self {
            flow: opened.flow,
            client: opened.peer,
            crowded: opened.crowded,
            server: AnyServer::new(login),
            stage: Stage::Talking,
            dialed: None,
            relay: Relay::new(),
            clock: None,
        }
    }

    /// Does what can be done now; says why the session is over once it is.
    pub(super) fn serve<N: Nic, S: Sink>(
        &mut self,
        now: Instant,
        node: &mut Node<'_, N, S>,
        policy: &Policy,
    ) -> Option<End> {
        let over = match self.stage {
            Stage::Talking => self.talk(now, node, policy),
            Stage::Dialing(target) => self.dial(now, node, policy, target),
            Stage::Relaying(target) => self.carry(now, node, target),
            Stage::Associated(_) => self.hold(now, node),
        };
        over.or_else(|| self.watch(now, node, policy))
    }

    /// Returns when the session's time is over, if nothing comes before.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let (_, since) = self.clock?;
        Some(since + self.patience()?.limit)
    }

    /// Gives back what the session holds, and says what is to be said of it.
    pub(super) fn close<N: Nic, S: Sink>(&mut self, node: &mut Node<'_, N, S>, why: End) -> Report {
        let graceful = matches!(why, End::Complete | End::Failed(_));
        let target = match self.stage {
            Stage::Dialing(target) | Stage::Relaying(target) => Some(target),
            Stage::Talking | Stage::Associated(_) => self.dialed,
        };
        for flow in [Some(self.flow), target].into_iter().flatten() {
            if let Some(mut stream) = node.stream(flow).filter(|_| !graceful) {
                stream.abort();
            }
            node.release(flow);
        }
        let mut octets = self.relay.carried();
        if let Stage::Associated(association) = &self.stage {
            node.close_port(association.at);
            octets = association.octets;
        }
        Report { flow: self.flow.serial(), client: self.client, octets, end: why }
    }

    /// Lets the machine and the client talk until one of them has to wait.
    fn talk<N: Nic, S: Sink>(
        &mut self,
        now: Instant,
        node: &mut Node<'_, N, S>,
        policy: &Policy,
    ) -> Option<End> {
        loop {
            let Some((mut socket, recorder)) = node.watched(self.flow) else { return Some(End::Left) };
            let mut server = Traced::new(&mut self.server, recorder, self.flow.serial(), now);
            let Ok(moved) = exchange(&mut server, &mut socket) else { return Some(End::Left) };
            match server.poll() {
                Ok(Event::Login { user, password }) => {
                    let right = policy.login.is_some_and(|judge| judge(user, password));
                    server.step(|server| server.judge(right));
                }
                Ok(Event::Request(_)) => {
                    let answer = self.begin(now, node, policy);
                    self.answer(now, node, answer);
                    if matches!(self.stage, Stage::Dialing(_)) {
                        return None;
                    }
                }
                // BIND is refused when it is asked for, so nobody is awaited.
                Ok(Event::Accept) => server.step(|server| server.accept(Err(Refusal::General))),
                Ok(Event::Relay) => {
                    self.stage = Stage::Relaying(self.dialed.take()?);
                    return self.carry_first(now, node);
                }
                Ok(Event::Close) => return Some(End::Complete),
                Err(nb::Error::WouldBlock) if moved => {}
                Err(nb::Error::WouldBlock) => return None,
                Err(nb::Error::Other(error)) => return Some(End::Failed(error)),
            }
            if matches!(self.stage, Stage::Associated(_)) {
                return None;
            }
        }
    }

    fn carry_first<N: Nic, S: Sink>(&mut self, now: Instant, node: &mut Node<'_, N, S>) -> Option<End> {
        match self.stage {
            Stage::Relaying(target) => self.carry(now, node, target),
            Stage::Talking | Stage::Dialing(_) | Stage::Associated(_) => None,
        }
    }

    /// Begins to serve the request that stands; `None` when its answer has to wait.
    fn begin<N: Nic, S: Sink>(
        &mut self,
        now: Instant,
        node: &mut Node<'_, N, S>,
        policy: &Policy,
    ) -> Option<Result<SocketAddrV4, Refusal>> {
        let Ok(Event::Request(request)) = self.server.poll() else { return None };
        if self.crowded {
            return Some(Err(Refusal::General));
        }
        match request.command {
            // A device has no second listener to spare, and no names.
            Command::Bind | Command::Resolve | Command::ResolvePtr => Some(Err(Refusal::CommandNotSupported)),
            Command::Connect => match address(&request.target, policy, node.address()) {
                Err(refusal) => Some(Err(refusal)),
                Ok(target) => match node.connect(target) {
                    None => Some(Err(Refusal::General)),
                    Some(flow) => {
                        self.stage = Stage::Dialing(flow);
                        None
                    }
                },
            },
            Command::Associate => {
                let client = SocketAddrV4::new(*self.client.ip(), request.target.port);
                let Some(at) = node.open_port() else { return Some(Err(Refusal::General)) };
                self.stage =
                    Stage::Associated(Association { at, client, heard: [None; HEARD], octets: (0, 0) });
                self.clock = Some((Reason::Datagrams, now));
                Some(Ok(SocketAddrV4::new(node.address(), at)))
            }
        }
    }

    /// Tells the machine what has become of the request.
    fn answer<N: Nic, S: Sink>(
        &mut self,
        now: Instant,
        node: &mut Node<'_, N, S>,
        answer: Option<Result<SocketAddrV4, Refusal>>,
    ) {
        let Some(answer) = answer else { return };
        let recorder = node.recorder();
        let mut server = Traced::new(&mut self.server, recorder, self.flow.serial(), now);
        server.step(|server| server.answer(answer.map(end)));
    }

    /// Waits for the connection to the target.
    fn dial<N: Nic, S: Sink>(
        &mut self,
        now: Instant,
        node: &mut Node<'_, N, S>,
        policy: &Policy,
        target: FlowId,
    ) -> Option<End> {
        if matches!(node.state(self.flow), State::Closed) {
            return Some(End::Left);
        }
        let answer = match node.state(target) {
            State::SynSent | State::SynReceived | State::Listen => return None,
            State::Closed => {
                let (expired, reached) = node.failed(target);
                node.release(target);
                Err(match (expired, reached) {
                    (true, false) => Refusal::HostUnreachable,
                    (true, true) => Refusal::TtlExpired,
                    (false, _) => Refusal::ConnectionRefused,
                })
            }
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => {
                self.dialed = Some(target);
                node.local(target).ok_or(Refusal::General)
            }
        };
        self.stage = Stage::Talking;
        self.answer(now, node, Some(answer));
        self.talk(now, node, policy)
    }

    /// Carries octets between the client and its target.
    fn carry<N: Nic, S: Sink>(
        &mut self,
        now: Instant,
        node: &mut Node<'_, N, S>,
        target: FlowId,
    ) -> Option<End> {
        let Some((mut a, mut b, recorder)) = node.pair(self.flow, target) else { return Some(End::Left) };
        let mut relay = Traced::new(&mut self.relay, recorder, self.flow.serial(), now);
        if relay.step(|relay| relay.pump(&mut a, &mut b)) > 0 {
            self.clock = None;
        }
        match self.relay.state() {
            RelayState::Both | RelayState::UpOnly | RelayState::DownOnly | RelayState::Breaking => None,
            RelayState::Done => Some(End::Complete),
            RelayState::Broken => Some(End::Broken),
        }
    }

    /// Sees to the connection of an association: it says nothing more, and its end is the association's.
    fn hold<N: Nic, S: Sink>(&mut self, now: Instant, node: &mut Node<'_, N, S>) -> Option<End> {
        let Some((mut socket, recorder)) = node.watched(self.flow) else { return Some(End::Left) };
        let mut server = Traced::new(&mut self.server, recorder, self.flow.serial(), now);
        if exchange(&mut server, &mut socket).is_err() {
            return Some(End::Left);
        }
        if server.poll().is_err() {
            return None;
        }
        loop {
            match socket.with_received(|octets| (octets.len(), ())) {
                Ok(Some(())) => {}
                Ok(None) => return Some(End::Complete),
                Err(nb::Error::WouldBlock) => return None,
                Err(nb::Error::Other(_)) => return Some(End::Left),
            }
        }
    }

    /// Passes the datagram that stands on, if it is this session's.
    pub(super) fn pass<N: Nic, S: Sink>(&mut self, now: Instant, node: &mut Node<'_, N, S>, policy: &Policy) {
        let Stage::Associated(association) = &mut self.stage else { return };
        let own = node.address();
        let Some(Datagram { at, from, payload }) = node.datagram().filter(|one| one.at == association.at)
        else {
            return;
        };
        let (length, client) = (payload.len(), association.client);
        if from.ip() == client.ip() && (client.port() == 0 || client.port() == from.port()) {
            let Ok(wrapped) = Wrapped::parse(payload) else { return };
            let Ok(target) = address(&wrapped.target, policy, own) else { return };
            let carried = wrapped.payload.len();
            association.client = from;
            if !association.heard.contains(&Some(*target.ip())) {
                let [a, b, c, _] = association.heard;
                association.heard = [Some(*target.ip()), a, b, c];
            }
            association.octets.0 += carried as u64;
            node.pass_datagram(at, target, &[], length - carried);
        } else if association.heard.contains(&Some(*from.ip())) && client.port() != 0 {
            let mut header = [0; HEADER];
            if udp::prepend(&mut header, HEADER, end(from)).is_none() {
                return;
            }
            association.octets.1 += length as u64;
            node.pass_datagram(at, client, &header, 0);
        } else {
            return;
        }
        self.clock = Some((Reason::Datagrams, now));
    }

    /// Starts the clock anew when something else is waited for, and ends what has waited too long.
    fn watch<N: Nic, S: Sink>(
        &mut self,
        now: Instant,
        node: &mut Node<'_, N, S>,
        policy: &Policy,
    ) -> Option<End> {
        let patience = self.patience()?;
        match self.clock {
            Some((reason, since)) if reason == patience.reason => {
                if since + patience.limit > now {
                    return None;
                }
                self.clock = None;
                match self.stage {
                    Stage::Relaying(_) | Stage::Associated(_) => return Some(End::Expired(patience.reason)),
                    Stage::Talking | Stage::Dialing(_) => {
                        self.expire(now, node);
                        return self.talk(now, node, policy);
                    }
                }
            }
            Some(_) | None => self.clock = Some((patience.reason, now)),
        }
        None
    }

    fn expire<N: Nic, S: Sink>(&mut self, now: Instant, node: &mut Node<'_, N, S>) {
        if let Stage::Dialing(target) = self.stage {
            node.release(target);
            self.stage = Stage::Talking;
        }
        let recorder = node.recorder();
        Traced::new(&mut self.server, recorder, self.flow.serial(), now).expire();
    }

    fn patience(&self) -> Option<Patience> {
        let (limit, reason) = match self.stage {
            Stage::Talking | Stage::Dialing(_) => return self.server.patience(),
            Stage::Associated(_) => (DATAGRAMS, Reason::Datagrams),
            Stage::Relaying(_) => match self.relay.state() {
                RelayState::UpOnly | RelayState::DownOnly => (HALF_CLOSE, Reason::HalfClose),
                RelayState::Both | RelayState::Done | RelayState::Breaking | RelayState::Broken => {
                    (IDLE, Reason::Idle)
                }
            },
        };
        Some(Patience { limit, reason })
    }
}

/// Returns the address of a target that the rules let through.
fn address(target: &Target<'_>, policy: &Policy, own: Ipv4Addr) -> Result<SocketAddrV4, Refusal> {
    let ip = match target.host {
        HostOf::Ip(ip) => match ip.to_canonical() {
            IpAddr::V4(ip) => ip,
            IpAddr::V6(_) => return Err(Refusal::AddressTypeNotSupported),
        },
        HostOf::Name(name) => (policy.resolve)(name).ok_or(Refusal::HostUnreachable)?,
    };
    let target = SocketAddrV4::new(ip, target.port);
    if (policy.allow)(own, target) { Ok(target) } else { Err(Refusal::NotAllowed) }
}
