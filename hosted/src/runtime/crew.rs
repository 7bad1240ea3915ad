//! The workers on threads of their own, and how the first one, which takes the signals, has them do the same as it does.

use super::worker::Worker;
use super::{Reloaded, Summary, Told};
use core::any::Any;
use core::error::Error;
use core::fmt;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use mio::Waker;
use sockhop::trace::Sink;
use std::io;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// What a worker is told to do.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// Take other settings.
    Reload(Reloaded),
    /// Accept nobody any more.
    Refuse,
    /// Accept nobody any more, and end every session.
    Shut,
    /// Stop.
    End,
}

/// What a worker lets the first one know.
#[derive(Debug)]
struct Status {
    sessions: AtomicUsize,
    connections: AtomicUsize,
    /// Orders that were carried out.
    done: AtomicUsize,
    /// Whether its thread has ended.
    over: AtomicBool,
    /// Wakes the first worker.
    waker: Arc<Waker>,
}

impl Status {
    fn wake(&self) {
        // The first worker may have gone first.
        let _ = self.waker.wake();
    }
}

/// Says that a thread has ended, however it did.
struct Leaving(Arc<Status>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
        self.0.wake();
    }
}

/// What a thread comes to.
type Outcome<S> = io::Result<(Summary, S)>;

/// A worker that has panicked.
#[derive(Debug)]
struct Panicked {
    /// Its place among the workers; the first is 0.
    place: usize,
    said: String,
}

impl Panicked {
    fn new(place: usize, payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let said = text.or_else(|| payload.downcast_ref::<&str>().copied());
        Self { place, said: said.unwrap_or("it did not say why").to_owned() }
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, said } = self;
        write!(
            f,
            "worker {place} panicked ({said}), so every connection has ended: start again, and please report it with \
             the lines above"
        )
    }
}

impl Error for Panicked {}

/// Does what a worker does on this thread, and makes an error of its panic.
///
/// # Errors
/// Those of the work, and the panic.
pub(super) fn caught<R>(place: usize, work: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
    // Whoever asks for this ends the worker then, and looks at nothing of its any more.
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|payload| Err(io::Error::other(Panicked::new(place, &*payload))))
}

/// One worker's thread.
#[derive(Debug)]
struct Hired<'scope, S> {
    thread: ScopedJoinHandle<'scope, Outcome<S>>,
    orders: Sender<Order>,
    /// Wakes it.
    waker: Arc<Waker>,
    given: usize,
    status: Arc<Status>,
}

/// Every worker but the first.
#[derive(Debug)]
pub(super) struct Crew<'scope, S>(Vec<Hired<'scope, S>>);

impl<'scope, S> Crew<'scope, S> {
    /// Starts nobody yet.
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Starts a worker, who wakes the first one when there is something to know.
    ///
    /// # Errors
    /// The host's, when it has no thread left.
    pub(super) fn hire(
        &mut self,
        scope: &'scope Scope<'scope, '_>,
        worker: Worker<S>,
        waker: Arc<Waker>,
        tell: impl FnMut(Told<'_>, &mut S) + Send + 'scope,
    ) -> io::Result<()>
    where
        S: Sink + Send + 'scope,
    {
        let (sessions, connections, done) = Default::default();
        let status = Arc::new(Status { sessions, connections, done, over: AtomicBool::new(false), waker });
        let (orders, taken) = channel();
        let leaving = Leaving(Arc::clone(&status));
        let place = self.0.len() + 1;
        let own = Arc::clone(worker.waker());
        let serve = move || caught(place, || work(worker, &taken, &leaving.0, tell));
        let thread = Builder::new().name(format!("worker {place}")).spawn_scoped(scope, serve)?;
        self.0.push(Hired { thread, orders, waker: own, given: 0, status });
        Ok(())
    }

    /// Has every worker do something.
    pub(super) fn order(&mut self, order: &Order) {
        for hired in &mut self.0 {
            hired.given += 1;
            // One that has ended takes none; that is noticed by itself.
            let _ = hired.orders.send(order.clone());
            let _ = hired.waker.wake();
        }
    }

    /// Returns how many sessions and connections stand; who has not carried out an order yet may have one at least.
    pub(super) fn standing(&self) -> (usize, usize) {
        let each = self.0.iter().map(|Hired { status, given, .. }| {
            let behind = usize::from(status.done.load(Ordering::Acquire) < *given);
            let sessions = status.sessions.load(Ordering::Relaxed).max(behind);
            (sessions, status.connections.load(Ordering::Relaxed).max(behind))
        });
        each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Returns whether somebody has ended who was not told to.
    pub(super) fn is_short(&self) -> bool {
        self.0.iter().any(|hired| hired.status.over.load(Ordering::Acquire))
    }

    /// Has everybody stop, and returns what each came to.
    ///
    /// # Errors
    /// The first of theirs, a panic among them.
    pub(super) fn dismiss(mut self) -> io::Result<Vec<(Summary, S)>> {
        self.order(&Order::End);
        // All are waited for, whatever the first comes to.
        let hired = core::mem::take(&mut self.0).into_iter().map(|hired| hired.thread.join());
        let outcomes: Vec<_> = hired.collect();
        let (mut ended, places) = (Vec::new(), 1..);
        for (place, outcome) in places.zip(outcomes) {
            ended.push(outcome.unwrap_or_else(|panic| Err(io::Error::other(Panicked::new(place, &*panic))))?);
        }
        Ok(ended)
    }
}

impl<S> Drop for Crew<'_, S> {
    /// Lets nobody go on when not all could be hired.
    fn drop(&mut self) {
        self.order(&Order::End);
    }
}

/// Serves until it is told to stop.
fn work<S: Sink>(
    mut worker: Worker<S>,
    orders: &Receiver<Order>,
    status: &Status,
    mut tell: impl FnMut(Told<'_>, &mut S),
) -> Outcome<S> {
    let mut ending = false;
    loop {
        worker.round(None, &mut tell)?;
        worker.tell(false);
        let mut done = 0;
        while let Ok(order) = orders.try_recv() {
            done += 1;
            ending |= matches!(order, Order::Refuse | Order::Shut);
            match order {
                Order::Reload(reloaded) => worker.reload(reloaded),
                Order::Refuse => worker.refuse(),
                Order::Shut => worker.shut(),
                Order::End => return Ok(worker.finish()),
            }
        }
        let (sessions, connections) = worker.standing();
        let before = status.sessions.swap(sessions, Ordering::Relaxed);
        let before = (before, status.connections.swap(connections, Ordering::Relaxed));
        status.done.fetch_add(done, Ordering::Release);
        // Towards the end the first worker waits for the last of them.
        if done > 0 || ending && before != (sessions, connections) {
            status.wake();
        }
    }
}
