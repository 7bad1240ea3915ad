//! Connections in TIME-WAIT, without their sockets (RFC 9293 §3.10.7.4, RFC 1337, RFC 6191).

use core::net::SocketAddr;
use slab::Slab;
use sockhop::tcp::Seq;
use sockhop::time::Instant;
use std::collections::VecDeque;

/// The two ends of a connection.
pub(super) type Tuple = (SocketAddr, SocketAddr);

/// What is kept of a connection in TIME-WAIT, beside its tuple.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) tuple: Tuple,
    /// The flow's number in traces.
    pub(super) serial: u32,
    /// SND.NXT, one past our FIN.
    pub(super) snd_nxt: Seq,
    /// RCV.NXT, one past the peer's FIN.
    pub(super) rcv_nxt: Seq,
    /// The window last advertised.
    pub(super) window: u16,
    /// When it may go; set by the table.
    pub(super) expires: Instant,
}

/// The records, oldest first.
#[derive(Debug)]
pub(super) struct Waits {
    records: Slab<Record>,
    queue: VecDeque<(Instant, usize, u32)>,
    two_msl: core::time::Duration,
    most: usize,
}

impl Waits {
    pub(super) fn new(two_msl: core::time::Duration, most: usize) -> Self {
        Self { records: Slab::new(), queue: VecDeque::new(), two_msl, most }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().map(|(_, record)| record)
    }

    pub(super) fn get(&self, slot: usize) -> Option<Record> {
        self.records.get(slot).copied()
    }

    /// Keeps a record for 2MSL from now and returns its slot.
    pub(super) fn insert(&mut self, now: Instant, mut record: Record) -> usize {
        record.expires = now + self.two_msl;
        let (expires, serial) = (record.expires, record.serial);
        let slot = self.records.insert(record);
        self.queue.push_back((expires, slot, serial));
        slot
    }

    /// Restarts 2MSL, as a repeated FIN of the peer's does.
    pub(super) fn restart(&mut self, now: Instant, slot: usize) {
        if let Some(record) = self.records.get_mut(slot) {
            record.expires = now + self.two_msl;
        }
    }

    pub(super) fn remove(&mut self, slot: usize) -> Option<Record> {
        self.records.try_remove(slot)
    }

    /// Removes and returns a record whose 2MSL is over, or the oldest while there are too many.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Record> {
        loop {
            let &(at, slot, serial) = self.queue.front()?;
            let crowded = self.records.len() > self.most;
            if at > now && !crowded {
                return None;
            }
            self.queue.pop_front();
            let Some(record) = self.records.get(slot).filter(|record| record.serial == serial) else {
                continue;
            };
            if record.expires > now && !crowded {
                self.queue.push_back((record.expires, slot, serial));
                continue;
            }
            return self.records.try_remove(slot);
        }
    }

    /// Returns when the next record may expire.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.front().map(|(at, ..)| *at)
    }
}
