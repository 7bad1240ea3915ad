//! What others answer a session: the judge of passwords and the egress.

use super::{Session, Stage, enter, told};
use crate::egress::{Dialed, Event, Failure, Found};
use crate::front::Front;
use crate::proxy::End;
use crate::proxy::association::Association;
use core::net::SocketAddr;
use sockhop::relay::Stream;
use sockhop::time::Instant;
use sockhop::trace::{Recorder, Sink, Traced};
use sockhop::wire::HostOf;

impl<T: Stream> Session<T> {
    /// Takes what the egress tells of it; associations and their datagrams are the proxy's, who has their ports.
    pub(in crate::proxy) fn hear<F: Front>(&mut self, now: Instant, front: &mut F, event: Event<T>) {
        match event {
            Event::Dialed { outcome, .. } => self.dialed(now, front.recorder(), outcome),
            Event::Bound { outcome, .. } => self.bound(now, front.recorder(), outcome),
            Event::Accepted { outcome, .. } => self.accepted(outcome),
            Event::Resolved { outcome, .. } => self.resolved(now, front.recorder(), outcome),
            Event::Lost { .. } => self.cut(front, End::Lost),
            Event::Associated { .. } | Event::Datagram { .. } | Event::Ready { .. } => {}
        }
    }

    /// Takes the judgment of the password.
    pub(in crate::proxy) fn judged<S: Sink>(
        &mut self,
        now: Instant,
        recorder: &mut Recorder<S>,
        right: bool,
    ) {
        if matches!(self.stage, Stage::Judging) {
            enter(&mut self.stage, Stage::Talking);
            let mut machine = Traced::new(&mut self.machine, recorder, self.flow.serial(), now);
            machine.step(|machine| machine.judge(right));
        }
    }

    /// Takes the egress's answer to a dial.
    fn dialed<S: Sink>(
        &mut self,
        now: Instant,
        recorder: &mut Recorder<S>,
        outcome: Result<Dialed<T>, Failure>,
    ) {
        if !self.is_dialing() {
            return;
        }
        let bound = outcome.map(|dialed| {
            self.dialed = Some(dialed.stream);
            dialed.bound
        });
        self.answered(now, recorder, bound);
    }

    /// Takes the address that is listened at, or why none is.
    fn bound<S: Sink>(
        &mut self,
        now: Instant,
        recorder: &mut Recorder<S>,
        outcome: Result<SocketAddr, Failure>,
    ) {
        if self.is_dialing() {
            self.answered(now, recorder, outcome);
        }
    }

    /// Takes the connection of the peer that was awaited; the client is told once it knows where that was.
    fn accepted(&mut self, outcome: Result<Dialed<T>, Failure>) {
        self.accepted = Some(outcome);
    }

    /// Takes what was looked up, or why nothing was found.
    fn resolved<S: Sink>(&mut self, now: Instant, recorder: &mut Recorder<S>, outcome: Found) {
        if !self.is_dialing() {
            return;
        }
        let name = match outcome {
            Ok(HostOf::Name(name)) => name,
            Ok(HostOf::Ip(ip)) => {
                self.target = format!("{} is {ip}", self.target);
                return self.answered(now, recorder, Ok(SocketAddr::new(ip, 0)));
            }
            Err(failure) => return self.answered(now, recorder, Err(failure)),
        };
        enter(&mut self.stage, Stage::Talking);
        self.target = format!("{} is {}", self.target, name.escape_ascii());
        self.granted = true;
        let mut machine = Traced::new(&mut self.machine, recorder, self.flow.serial(), now);
        machine.step(|machine| machine.name(Ok(&name)));
    }

    /// Takes the association that the request asked for, or why there is none.
    pub(in crate::proxy) fn associated<S: Sink>(
        &mut self,
        now: Instant,
        recorder: &mut Recorder<S>,
        outcome: Result<Association, Failure>,
    ) {
        match outcome {
            Ok(association) => {
                self.target = format!("udp at {}", association.at);
                self.answered(now, recorder, Ok(association.at));
                enter(&mut self.stage, Stage::Associated(association));
            }
            Err(failure) => self.answered(now, recorder, Err(failure)),
        }
    }

    /// Tells the machine what the egress has answered.
    fn answered<S: Sink>(
        &mut self,
        now: Instant,
        recorder: &mut Recorder<S>,
        outcome: Result<SocketAddr, Failure>,
    ) {
        enter(&mut self.stage, Stage::Talking);
        let answer = told(outcome, &mut self.detail);
        self.granted = answer.is_ok();
        let mut machine = Traced::new(&mut self.machine, recorder, self.flow.serial(), now);
        machine.step(|machine| machine.answer(answer));
    }
}
