//! Both sides of a file transfer, between a connection and a disk that do whatever their maker says; and the trace.

use crate::machines::verbs;
use crate::tcp::Any;
use sockhop::file::{
    Algorithms, Delivery, Held, Intake, Keep, Leading, Offer, Receiver, Refusal, Scene, Sender, Sha256,
    Source, Stat, Store, Sum, Turn, Unreadable,
};
use sockhop::time::Instant;
use sockhop::trace::{Event, Header, Recorder, Ring, Sink};

/// A disk that answers as it is told.
pub struct Disk {
    count: usize,
    place: u64,
    stat: Result<Stat, Unreadable>,
    refusal: Result<(), Refusal>,
    busy: nb::Result<(), Refusal>,
}

impl Source for Disk {
    fn read(&mut self, _: u64, into: &mut [u8]) -> Result<usize, Unreadable> {
        self.stat?;
        Ok(self.count.min(into.len()))
    }

    fn stat(&mut self) -> Result<Stat, Unreadable> {
        self.stat
    }
}

impl Store for Disk {
    fn open(&mut self, _: &Offer<'_>) -> Result<u64, Refusal> {
        self.refusal.map(|()| self.place)
    }

    fn read(&mut self, _: u64, into: &mut [u8]) -> Result<usize, Refusal> {
        self.refusal.map(|()| self.count.min(into.len()))
    }

    fn truncate(&mut self, _: u64) -> Result<(), Refusal> {
        self.refusal
    }

    fn write(&mut self, _: u64, octets: &[u8]) -> nb::Result<usize, Refusal> {
        self.busy.map(|()| self.count.min(octets.len()))
    }

    fn commit(&mut self) -> nb::Result<(), Refusal> {
        self.busy
    }

    fn abort(&mut self, keep: Keep) {
        self.count = usize::from(keep == Keep::Part);
    }
}

/// Whoever is told of events.
type Told<'r> = &'r mut Ring<32, 4>;

#[unsafe(no_mangle)]
extern "Rust" fn receiver(
    receiver: &mut Receiver,
    input: &[u8],
    output: &mut [u8],
    held: Held,
    refusal: Refusal,
    sum: Sum,
    octets: u64,
) -> usize {
    receiver.accept(held);
    receiver.refuse(refusal);
    receiver.wait();
    receiver.begin();
    receiver.advance(octets);
    receiver.verify(sum);
    receiver.commit();
    receiver.finish();
    receiver.broke();
    verbs(receiver, input, output)
}

#[unsafe(no_mangle)]
extern "Rust" fn sender(
    sender: &mut Sender<&str>,
    input: &[u8],
    output: &mut [u8],
    sum: Sum,
    octets: u64,
) -> usize {
    sender.compare(sum);
    sender.advance(octets);
    sender.digest(sum);
    sender.finish();
    sender.abandon();
    sender.broke();
    verbs(sender, input, output) + sender.text().len()
}

#[unsafe(no_mangle)]
extern "Rust" fn begins(name: &'static str, stat: Stat, leading: Leading) -> (Receiver, bool, bool) {
    let framed = Sender::new(name, stat, Algorithms::SHA256).is_ok();
    (Receiver::new(Algorithms::SHA256, leading), framed, Sender::classic(name, stat).is_ok())
}

#[unsafe(no_mangle)]
extern "Rust" fn intake(
    intake: &mut Intake<Disk, Sha256>,
    stream: &mut Any<'_>,
    scene: &mut Scene<'_, Told<'_>>,
) -> (bool, Option<Instant>) {
    let deadline = intake.deadline();
    let over = matches!(intake.pump(stream, scene), Turn::Done(_) | Turn::Failed(_));
    intake.abandon();
    (over, deadline)
}

#[unsafe(no_mangle)]
extern "Rust" fn delivery(
    delivery: &mut Delivery<&str, Disk, Sha256>,
    stream: &mut Any<'_>,
    scene: &mut Scene<'_, Told<'_>>,
) -> (bool, Option<Instant>) {
    let deadline = delivery.deadline();
    (matches!(delivery.pump(stream, scene), Turn::Done(_) | Turn::Failed(_)), deadline)
}

#[unsafe(no_mangle)]
extern "Rust" fn ring(ring: &mut Ring<32, 4>, event: &Event) -> u32 {
    ring.record(event);
    ring.events().fold(ring.lost() + ring.forgotten(), |all, event| all ^ event.serial())
}

#[unsafe(no_mangle)]
extern "Rust" fn recorder(recorder: &mut Recorder<Told<'_>>, now: Instant, event: &Event) {
    if let Some(view) = event.view() {
        recorder.record(now, event.flow(), view);
    }
}

#[unsafe(no_mangle)]
extern "Rust" fn trace_header(name: &str, origin: u64, serial: u32) -> [u8; 64] {
    Header::new(name, origin, serial).encode()
}
