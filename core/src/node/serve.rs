//! From a socket to the wire: what a connection does by itself, in each round.

use super::Nic;
use super::flow::{Fate, Flow};
use super::seam::Seam;
use crate::stack::Wish;
use crate::tcp::{Cause, Inject, State};
use crate::time::{Instant, Reason};
use crate::trace::Sink;
use core::net::SocketAddr;

/// The soonest a socket that wants to be served at once is served again, in microseconds.
const SOON: u64 = 1_000;
/// Segments one connection may send before the next has its turn.
const TURN: usize = 8;

/// Serves a connection, and says what is to become of it.
pub(super) fn serve<N: Nic, S: Sink>(flow: &mut Flow<'_>, seam: &mut Seam<'_, N, S>) -> Fate {
    expire(flow, seam);
    if !flow.owned && !flow.half_open {
        // What a released connection still receives is forgotten, so that its peer's FIN can arrive.
        let socket = flow.socket();
        while socket.recv_queue() > 0 && socket.recv(|octets| (octets.len(), ())).is_ok() {}
    }
    tick(flow, seam);
    egress(flow, seam);
    match flow.state {
        State::Listen => Fate::Over,
        State::Closed if !flow.owned => Fate::Over,
        State::Closed => {
            flow.over = true;
            Fate::Stays
        }
        State::TimeWait if !flow.owned => Fate::Waits,
        State::TimeWait
        | State::SynSent
        | State::SynReceived
        | State::Established
        | State::FinWait1
        | State::FinWait2
        | State::CloseWait
        | State::Closing
        | State::LastAck => Fate::Stays,
    }
}

/// Carries out what the owner wishes, and gives the connection up when its time is over.
fn expire<N: Nic, S: Sink>(flow: &mut Flow<'_>, seam: &mut Seam<'_, N, S>) {
    let mut cause = if flow.wish == Wish::Abort { Cause::Abort } else { Cause::Close };
    linger_on(flow, seam.now, seam.spans.linger);
    let silent = silent_at(flow, seam.spans.silence).is_some_and(|at| at <= seam.now);
    if silent || flow.deadline.is_some_and(|(at, _)| at <= seam.now) {
        (flow.deadline, flow.expired, flow.wish) = (None, true, Wish::Abort);
        cause = Cause::Timeout;
        seam.counters.expired = seam.counters.expired.wrapping_add(1);
    }
    let mut wish = core::mem::take(&mut flow.wish);
    let settled = wish.settle(flow.socket());
    flow.wish = wish;
    if settled {
        flow.note(seam, cause);
    }
}

/// Lets the guard do what time demands.
fn tick<N: Nic, S: Sink>(flow: &mut Flow<'_>, seam: &mut Seam<'_, N, S>) {
    while let Some(inject) = flow.guard.tick(seam.now, flow.queued()) {
        match inject {
            Inject::Wire(empty) => flow.send_empty(seam, empty),
            Inject::Stack(empty) => {
                let head = seam.head();
                let place = seam.input.get_mut(head..).unwrap_or(&mut []);
                let length = empty.write(SocketAddr::V4(flow.remote), SocketAddr::V4(flow.local), place);
                seam.length = head + length;
                let sent = seam.show(flow.sockets());
                flow.note_received(seam, &empty.segment());
                flow.sent(seam, sent);
            }
        }
        flow.confess(seam, true);
    }
}

/// Sends what the socket has to send.
///
/// smoltcp drops unread octets and the end of stream when its own TIME-WAIT expires, which only its egress notices.
/// All it has left to say there is the acknowledgment of the FIN.
fn egress<N: Nic, S: Sink>(flow: &mut Flow<'_>, seam: &mut Seam<'_, N, S>) {
    let silent = flow.state == State::TimeWait && !flow.guard.owes_acknowledgment();
    // A peer that was never reached has nothing to be told.
    let strange = flow.state == State::Closed && flow.mac.is_none();
    if silent || strange || flow.over || !flow.reaches(seam) {
        return;
    }
    for _ in 0..TURN {
        let sent = seam.ask(flow.sockets());
        let cause = if flow.state == State::TimeWait { Cause::TwoMsl } else { Cause::Timeout };
        flow.note(seam, cause);
        if sent == 0 {
            return;
        }
        flow.sent(seam, sent);
    }
}

/// Returns when a connection wants to be served next, if nothing comes before.
pub(super) fn due<N: Nic, S: Sink>(flow: &mut Flow<'_>, seam: &mut Seam<'_, N, S>) -> Option<Instant> {
    let (now, clock) = (seam.now, seam.clock());
    let wanted = if flow.state == State::TimeWait || flow.over {
        None
    } else if flow.mac.is_none() {
        Some(seam.asks_at(*flow.remote.ip()))
    } else {
        let wanted = seam.iface.poll_at(clock, flow.sockets());
        wanted.map(|at| Instant::from_micros(u64::try_from(at.total_micros()).unwrap_or(0)))
    };
    let tick = flow.guard.tick_at(flow.queued());
    let soonest = [wanted, tick].into_iter().flatten().min().map(|at| at.max(now.after(SOON)));
    let silent = silent_at(flow, seam.spans.silence);
    [soonest, silent, flow.deadline.map(|(at, _)| at)].into_iter().flatten().min()
}

/// Gives a released connection more time when its peer has taken octets in the time it had.
fn linger_on(flow: &mut Flow<'_>, now: Instant, linger: u64) {
    let una = flow.guard.tracker().snd_una();
    if flow.lingering != una && flow.deadline.is_some_and(|(at, why)| at <= now && why == Reason::Linger) {
        flow.lingering = una;
        flow.deadline = Some((now.after(linger), Reason::Linger));
    }
}

/// Returns when the peer of a connection that stands has been silent for too long.
fn silent_at(flow: &Flow<'_>, silence: u64) -> Option<Instant> {
    let stands = matches!(
        flow.state,
        State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
    );
    stands.then(|| flow.guard.heard().after(silence))
}
