//! One client's conversation, dial and relay.

mod answers;

use super::association::Association;
use super::{Config, Deadlines, End, Report};
use crate::egress::{Dialed, Failure, Leg};
use crate::engine::FlowId;
use crate::front::Front;
use crate::users::Verdict;
use core::net::SocketAddr;
use sockhop::machine::{Machine, exchange};
use sockhop::relay::{Relay, Ring, State, Stream};
use sockhop::socks::AnyServer;
use sockhop::socks5::{Command, Event, Login, Refusal, Request};
use sockhop::time::{Instant, Reason};
use sockhop::trace::Traced;
use sockhop::wire::Target;
use std::sync::Arc;

/// What the proxy is to do for a session.
pub(super) enum Next {
    /// Nothing until something changes.
    Wait,
    /// Have the password judged by this hash, which may be the user's own.
    Judge(Arc<str>, bool),
    /// Dial the session's target.
    Dial,
    /// Listen for the session's target.
    Bind,
    /// Open an association for the session's client.
    Associate,
    /// Look the address of the session's target up.
    Resolve,
    /// Look the name of the session's target up.
    Reverse,
    /// Forget the session.
    Over,
}

impl Next {
    /// Returns what serves a command.
    const fn begin(command: Command) -> Self {
        match command {
            Command::Connect => Self::Dial,
            Command::Bind => Self::Bind,
            Command::Associate => Self::Associate,
            Command::Resolve => Self::Resolve,
            Command::ResolvePtr => Self::Reverse,
        }
    }
}

#[derive(Debug)]
pub(super) enum Stage<T> {
    Talking,
    Judging,
    Dialing,
    Relaying(Leg<T>),
    Associated(Association),
}

impl<T> Stage<T> {
    const fn name(&self) -> &'static str {
        match self {
            Self::Talking => "Talking",
            Self::Judging => "Judging",
            Self::Dialing => "Dialing",
            Self::Relaying(_) => "Relaying",
            Self::Associated(_) => "Associated",
        }
    }
}

/// The ways from stage to stage, as this module's parent draws them.
const EDGES: [(&str, &str); 6] = [
    ("Talking", "Judging"),
    ("Judging", "Talking"),
    ("Talking", "Dialing"),
    ("Dialing", "Talking"),
    ("Talking", "Relaying"),
    ("Talking", "Associated"),
];

/// Goes on to another stage, by a way that is drawn.
fn enter<T>(stage: &mut Stage<T>, next: Stage<T>) {
    let way = (stage.name(), next.name());
    debug_assert!(way.0 == way.1 || EDGES.contains(&way), "{way:?} is not drawn");
    *stage = next;
}

/// One client.
#[derive(Debug)]
pub(super) struct Session<T> {
    pub(super) flow: FlowId,
    /// When it comes up in the timers next.
    pub(super) timer: Option<Instant>,
    client: SocketAddr,
    /// Why its request will be refused, if its source has enough.
    over: Option<String>,
    machine: AnyServer,
    pub(super) stage: Stage<T>,
    /// The counterpart, once dialed, until the reply is sent.
    dialed: Option<Leg<T>>,
    /// The peer of a BIND, until the client is told of it.
    accepted: Option<Result<Dialed<T>, Failure>>,
    pub(super) relay: Relay,
    pub(super) began: Instant,
    /// What is being waited for, and since when.
    clock: Option<(Reason, Instant)>,
    user: String,
    pub(super) target: String,
    detail: String,
    /// The egress has granted the request.
    pub(super) granted: bool,
    end: Option<End>,
}

impl<T: Stream> Session<T> {
    /// Returns a session that has not heard anything; one whose client is `over` its limits will refuse its request.
    pub(super) fn new(
        now: Instant,
        flow: FlowId,
        client: SocketAddr,
        login: Login,
        over: Option<String>,
    ) -> Self {
        Self {
            flow,
            timer: None,
            client,
            over,
            machine: AnyServer::new(login),
            stage: Stage::Talking,
            dialed: None,
            accepted: None,
            relay: Relay::new(),
            began: now,
            clock: None,
            user: String::new(),
            target: String::new(),
            detail: String::new(),
            granted: false,
            end: None,
        }
    }

    /// Does what can be done now.
    pub(super) fn serve<F: Front>(&mut self, now: Instant, front: &mut F, config: &Config) -> Next {
        if self.end.is_some() {
            return Next::Over;
        }
        let next = match self.stage {
            Stage::Talking => self.talk(now, front, config),
            Stage::Judging | Stage::Dialing => self.wait(front),
            Stage::Relaying(_) => Next::Wait,
            Stage::Associated(_) => self.hold(now, front),
        };
        let moved = self.carry(now, front);
        self.set_clock(now, moved);
        if self.end.is_some() { Next::Over } else { next }
    }

    /// Returns the client's address.
    pub(super) const fn client(&self) -> SocketAddr {
        self.client
    }

    /// Returns who the client is, escaped; nothing if it was not asked.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// Returns the octets carried from the client to the target and back.
    pub(super) fn octets(&self) -> (u64, u64) {
        match &self.stage {
            Stage::Associated(association) => association.octets,
            Stage::Talking | Stage::Judging | Stage::Dialing | Stage::Relaying(_) => self.relay.carried(),
        }
    }

    /// Returns the target of the request that stands.
    pub(super) fn target(&self) -> Option<Target<'_>> {
        match self.machine.poll() {
            Ok(Event::Request(request)) => Some(request.target),
            Ok(Event::Login { .. } | Event::Accept | Event::Relay | Event::Close) | Err(_) => None,
        }
    }

    /// Returns the password that stands to be judged.
    pub(super) fn password(&self) -> &[u8] {
        match self.machine.poll() {
            Ok(Event::Login { password, .. }) => password,
            Ok(Event::Request(_) | Event::Accept | Event::Relay | Event::Close) | Err(_) => &[],
        }
    }

    /// Returns whether the egress owes an answer.
    pub(super) const fn is_dialing(&self) -> bool {
        matches!(self.stage, Stage::Dialing)
    }

    /// Returns the association, if that is what the session is.
    pub(super) const fn association(&mut self) -> Option<&mut Association> {
        match &mut self.stage {
            Stage::Associated(association) => Some(association),
            Stage::Talking | Stage::Judging | Stage::Dialing | Stage::Relaying(_) => None,
        }
    }

    /// Starts the clock of an association anew because a datagram has passed.
    pub(super) const fn passed(&mut self, now: Instant) {
        self.clock = Some((Reason::Datagrams, now));
    }

    /// Sees to the connection of an association: it says nothing more, and its end is the association's.
    fn hold<F: Front>(&mut self, now: Instant, front: &mut F) -> Next {
        let Some((mut socket, recorder)) = front.watched(self.flow) else {
            self.end = Some(End::Left);
            return Next::Over;
        };
        let mut machine = Traced::new(&mut self.machine, recorder, self.flow.serial(), now);
        if exchange(&mut machine, &mut socket).is_err() {
            self.end = Some(End::Left);
            return Next::Over;
        }
        if machine.poll().is_err() {
            return Next::Wait;
        }
        loop {
            match socket.with_received(|octets| (octets.len(), ())) {
                Ok(Some(())) => {}
                Err(nb::Error::WouldBlock) => return Next::Wait,
                Ok(None) => self.end = Some(End::Complete),
                Err(nb::Error::Other(_)) => self.end = Some(End::Left),
            }
            if self.end.is_some() {
                return Next::Over;
            }
        }
    }

    /// Answers a request that cannot be passed on.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        enter(&mut self.stage, Stage::Talking);
        self.machine.answer(Err(refusal));
    }

    /// Ends the session because its deadline has passed; returns whether a dial of its is to be cancelled.
    pub(super) fn expire<F: Front>(&mut self, front: &mut F) -> bool {
        let dialing = self.is_dialing();
        let reason = self.clock.map_or(Reason::Idle, |(reason, _)| reason);
        match self.stage {
            Stage::Relaying(_) | Stage::Associated(_) => self.cut(front, End::Expired(reason)),
            Stage::Talking | Stage::Judging | Stage::Dialing => {
                enter(&mut self.stage, Stage::Talking);
                self.machine.expire();
                self.clock = None;
            }
        }
        dialing
    }

    /// Ends the session at once, with a reset to both sides.
    pub(super) fn cut<F: Front>(&mut self, front: &mut F, end: End) {
        if let Stage::Relaying(target) = &mut self.stage {
            abort(target, front);
        }
        abort(&mut Leg::<T>::Flow(self.flow), front);
        self.end = Some(end);
    }

    /// Returns whether what is waited for has taken too long.
    pub(super) fn is_due(&self, now: Instant, deadlines: &Deadlines) -> bool {
        self.due_at(deadlines).is_some_and(|at| at <= now)
    }

    /// Returns when what is waited for has taken too long.
    pub(super) fn due_at(&self, deadlines: &Deadlines) -> Option<Instant> {
        self.clock.map(|(reason, since)| since + deadlines.of(reason))
    }

    /// Returns what is to be said of the session now that it has ended.
    pub(super) fn report(self, now: Instant) -> Report {
        let octets = self.octets();
        Report {
            client: self.client,
            user: self.user,
            target: self.target,
            detail: self.detail,
            reply: self.machine.refusal().map(Refusal::code).or(self.granted.then_some(0)),
            octets,
            lasted: now.since(self.began),
            end: self.end.unwrap_or(End::Left),
        }
    }

    fn ends(&mut self, end: End) -> Next {
        self.end = Some(end);
        Next::Over
    }

    /// Lets the machine and the client talk until one of them has to wait.
    fn talk<F: Front>(&mut self, now: Instant, front: &mut F, config: &Config) -> Next {
        let Some((mut socket, recorder)) = front.watched(self.flow) else {
            return self.ends(End::Left);
        };
        let mut machine = Traced::new(&mut self.machine, recorder, self.flow.serial(), now);
        loop {
            let Ok(moved) = exchange(&mut machine, &mut socket) else {
                return self.ends(End::Left);
            };
            match machine.poll() {
                Ok(Event::Login { user, password }) => {
                    let verdict = config.users.verdict(user, password);
                    self.user = user.escape_ascii().to_string();
                    match verdict {
                        Verdict::Known(known) => machine.step(|machine| machine.judge(known)),
                        Verdict::Hashed { hash, his } => {
                            enter(&mut self.stage, Stage::Judging);
                            return Next::Judge(hash, his);
                        }
                    }
                }
                Ok(Event::Request(request)) => {
                    self.target = shown(request);
                    if let Some(claimed) = machine.machine().user_id().filter(|user| !user.is_empty()) {
                        self.user = claimed.escape_ascii().to_string();
                    }
                    if let Some((refusal, why)) = refused(self.over.take(), request.command, config) {
                        self.detail = why;
                        machine.step(|machine| machine.answer(Err(refusal)));
                        continue;
                    }
                    enter(&mut self.stage, Stage::Dialing);
                    return Next::begin(request.command);
                }
                Ok(Event::Accept) => {
                    let Some(outcome) = self.accepted.take() else { return Next::Wait };
                    let peer = outcome.map(|accepted| {
                        self.target = format!("{} by BIND", accepted.bound);
                        self.dialed = Some(accepted.stream);
                        accepted.bound
                    });
                    let peer = told(peer, &mut self.detail);
                    machine.step(|machine| machine.accept(peer));
                }
                Ok(Event::Relay) => {
                    let Some(stream) = self.dialed.take() else { return Next::Wait };
                    enter(&mut self.stage, Stage::Relaying(stream));
                    return Next::Wait;
                }
                Ok(Event::Close) => {
                    return self.ends(End::Complete);
                }
                Err(nb::Error::WouldBlock) if moved => {}
                Err(nb::Error::WouldBlock) => return Next::Wait,
                Err(nb::Error::Other(error)) => {
                    return self.ends(End::Failed(error));
                }
            }
        }
    }

    /// Notices a client that has gone while its target was being dialed.
    fn wait<F: Front>(&mut self, front: &mut F) -> Next {
        if front.is_closed(self.flow) {
            self.end = Some(End::Left);
            return Next::Over;
        }
        Next::Wait
    }

    /// Carries octets between the client and its target; returns whether there were any.
    fn carry<F: Front>(&mut self, now: Instant, front: &mut F) -> bool {
        let Stage::Relaying(target) = &mut self.stage else { return false };
        let (relay, serial) = (&mut self.relay, self.flow.serial());
        let moved = match target {
            Leg::Own(stream) => front.watched(self.flow).map(|(mut client, recorder)| {
                Traced::new(relay, recorder, serial, now).step(|relay| relay.pump(&mut client, stream))
            }),
            Leg::Flow(flow) => front.both(self.flow, *flow).map(|(mut client, mut target, recorder)| {
                Traced::new(relay, recorder, serial, now).step(|relay| relay.pump(&mut client, &mut target))
            }),
        };
        let Some(moved) = moved else {
            abort(target, front);
            self.end = Some(End::Left);
            return false;
        };
        match self.relay.state() {
            State::Both | State::UpOnly | State::DownOnly | State::Breaking => {}
            State::Done => self.end = Some(End::Complete),
            State::Broken => {
                self.end = Some(self.relay.broken().map_or(End::Left, |(side, how)| End::Broken(side, how)));
            }
        }
        moved > 0
    }

    /// Starts the clock anew when something else is waited for, or something has moved.
    fn set_clock(&mut self, now: Instant, moved: bool) {
        let reason = match self.stage {
            Stage::Talking | Stage::Judging | Stage::Dialing => {
                self.machine.patience().map(|patience| patience.reason)
            }
            Stage::Associated(_) => Some(Reason::Datagrams),
            Stage::Relaying(_) => Some(match self.relay.state() {
                State::UpOnly | State::DownOnly => Reason::HalfClose,
                State::Both | State::Done | State::Breaking | State::Broken => Reason::Idle,
            }),
        };
        self.clock = match (reason, self.clock) {
            (Some(reason), Some((same, since))) if reason == same && !moved => Some((reason, since)),
            (Some(reason), _) => Some((reason, now)),
            (None, clock) => clock,
        };
    }
}

/// Ends a connection at once, with a reset to its peer.
fn abort<T: Stream, F: Front>(leg: &mut Leg<T>, front: &mut F) {
    match leg {
        Leg::Own(stream) => stream.abort(),
        Leg::Flow(flow) => {
            if let Some((mut socket, _)) = front.watched(*flow) {
                socket.abort();
            }
        }
    }
}

/// Returns what a request is about; a look-up has no port.
fn shown(request: Request<'_>) -> String {
    if request.command.looks_up() { request.target.host.to_string() } else { request.target.to_string() }
}

/// Returns why a request is not passed on, given why its source has enough, if it has.
fn refused(over: Option<String>, command: Command, config: &Config) -> Option<(Refusal, String)> {
    let off = config.no_look_ups && command.looks_up();
    let off = off.then(|| (Refusal::CommandNotSupported, "--no-resolve turns look-ups off".to_owned()));
    over.map(|why| (Refusal::NotAllowed, why)).or(off)
}

/// Parts what the client is told of a failure from what the log is told.
fn told<R>(outcome: Result<R, Failure>, detail: &mut String) -> Result<R, Refusal> {
    outcome.map_err(|failure| {
        *detail = failure.text;
        failure.refusal
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawing_has_every_way_and_no_other() {
        let drawn: Vec<(&str, &str)> = include_str!("mod.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//!")?.split_once("─►"))
            .map(|(from, rest)| (from.trim(), rest.split_once(':').map_or(rest, |(to, _)| to).trim()))
            .collect();
        assert_eq!(drawn, EDGES);
    }
}
