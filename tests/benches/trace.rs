//! What an event costs: `cargo bench -p sockhop-tests --bench trace`; the budget is 60 ns recorded, and nothing when nobody
//! listens.

use divan::{Bencher, black_box};
use sockhop::tcp::{Flags, Marks, Segment, Seq, State};
use sockhop::time::Instant;
use sockhop::trace::{Recorder, Ring, Sink};
use sockhop_hosted::report::{Format, Recording};

fn main() {
    divan::main();
}

/// With `()` as the sink nothing is left of a recorder.
#[divan::bench]
fn nobody_listens(bencher: Bencher<'_, '_>) {
    each(bencher, ());
}

/// A sink that might be there and is not, as in a command without `--trace`.
#[divan::bench]
fn nobody_listens_today(bencher: Bencher<'_, '_>) {
    each(bencher, black_box(None::<Ring<256, 4>>));
}

/// The ring of a device, full, so that each event tells its connection what leaves.
#[divan::bench]
fn ring_of_256(bencher: Bencher<'_, '_>) {
    each(bencher, Ring::<256, 4>::new());
}

/// A file, of which the thread that writes takes what it can; the rest is counted.
#[divan::bench]
fn file(bencher: Bencher<'_, '_>) {
    let (recording, spool) = Recording::to(std::io::sink(), Format::Raw, sockhop::trace::Header::default());
    let recording = recording.start();
    let mut recorder = Recorder::new(Offering(spool, 0));
    open(&mut recorder);
    bencher.bench_local(|| one(&mut recorder));
    let spool = recorder.into_sink().0;
    assert!(recording.finish(spool).is_ok());
}

/// Offers as a runtime does, after each batch of packets.
struct Offering(sockhop_hosted::report::Spool, u8);

impl Sink for Offering {
    fn record(&mut self, event: &sockhop::trace::Event) {
        self.0.record(event);
        self.1 = (self.1 + 1) % 64;
        if self.1 == 0 {
            self.0.offer();
        }
    }
}

fn each(bencher: Bencher<'_, '_>, sink: impl Sink) {
    let mut recorder = Recorder::new(sink);
    open(&mut recorder);
    bencher.bench_local(|| one(&mut recorder));
}

fn open(recorder: &mut Recorder<impl Sink>) {
    let end = |port| core::net::SocketAddr::from(([10, 0, 0, 1], port));
    recorder.opened(Instant::ZERO, 1, end(1_080), end(5_000), false);
}

/// Records a segment as the engine does.
#[inline(always)]
fn one(recorder: &mut Recorder<impl Sink>) {
    let end = |port| core::net::SocketAddr::from(([10, 0, 0, 1], port));
    let segment = black_box(Segment {
        src: end(5_000),
        dst: end(1_080),
        seq: Seq(7),
        ack: Seq(9),
        flags: Flags::ACK,
        window: 4_096,
        len: 1_460,
        header: 40,
        mss: None,
        scale: None,
        sack: [None; 2],
    });
    recorder.received(
        Instant::from_micros(5),
        1,
        &segment,
        State::Established,
        State::Established,
        Marks::default(),
    );
}
