//! Packets on their way from the worker that took them off the wire to the one whose they are.

use crate::engine::Engine;
use crate::tun::Tun;
use mio::Waker;
use sockhop::time::Instant;
use sockhop::trace::Sink;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Packets that wait for one worker; more are lost, as in any queue.
const WAITING: usize = 512;
/// Packets that are taken in one round.
const BATCH: usize = 64;

/// Another worker's letterbox.
#[derive(Debug)]
struct Letterbox {
    packets: SyncSender<Vec<u8>>,
    waker: Arc<Waker>,
    /// Whether something was put in since its owner was woken.
    is_fresh: bool,
}

/// One worker's letterbox, and those of all.
#[derive(Debug)]
pub(super) struct Exchange {
    packets: Receiver<Vec<u8>>,
    boxes: Vec<Letterbox>,
    lost: u64,
}

impl Exchange {
    /// Returns an exchange for each of these workers, in their order.
    pub(super) fn among(wakers: &[Arc<Waker>]) -> Vec<Self> {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            wakers.iter().map(|_| sync_channel::<Vec<u8>>(WAITING)).unzip();
        let all = || {
            let boxes = senders.iter().zip(wakers);
            boxes.map(|(packets, waker)| Letterbox {
                packets: packets.clone(),
                waker: Arc::clone(waker),
                is_fresh: false,
            })
        };
        receivers.into_iter().map(|packets| Self { packets, boxes: all().collect(), lost: 0 }).collect()
    }

    /// Lets an engine have what others have taken for it, a batch at most; returns whether there may be more.
    pub(super) fn receive<S: Sink>(&mut self, now: Instant, engine: &mut Engine<S>, tun: &mut Tun) -> bool {
        for _ in 0..BATCH {
            let Ok(mut packet) = self.packets.try_recv() else { return false };
            engine.ingress_verified(now, &mut packet, tun);
        }
        true
    }

    /// Hands over what an engine has taken for others, and wakes them.
    pub(super) fn hand_over<S: Sink>(&mut self, engine: &mut Engine<S>) {
        while let Some(stray) = engine.next_stray() {
            let Some(to) = self.boxes.get_mut(stray.owner) else { continue };
            match to.packets.try_send(stray.packet) {
                Ok(()) => to.is_fresh = true,
                Err(_) => self.lost += 1,
            }
        }
        for fresh in self.boxes.iter_mut().filter(|to| to.is_fresh) {
            fresh.is_fresh = false;
            // One that cannot be woken is gone.
            let _ = fresh.waker.wake();
        }
    }

    /// Returns how many packets had no room.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }
}
