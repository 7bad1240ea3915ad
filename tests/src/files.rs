//! What holds for every file transfer, as plain functions.

use core::fmt::Debug;
use sockhop::file::{
    Algorithms, Delivery, Either, Event, Held, Intake, Leading, Outcome, Receiver, Scene, Sender,
    SenderEvent, Stat, State, Sum, Turn,
};
use sockhop::machine::Machine;
use sockhop::time::Instant;
use sockhop::trace::Recorder;

use crate::shelf::{Book, Shelf, connection};

/// What a machine told its owner and its peer, and what it took; content included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The events, printed, in order and without repetition.
    pub events: Vec<String>,
    /// The octets said.
    pub said: Vec<u8>,
    /// How many octets were taken.
    pub taken: usize,
}

impl Heard {
    fn note(&mut self, event: &impl Debug) {
        let event = format!("{event:?}");
        if self.events.last() != Some(&event) {
            self.events.push(event);
        }
    }

    /// Drains a machine into what it said, through a buffer of `room` octets.
    fn listen(&mut self, machine: &mut impl Machine, room: usize) {
        let mut out = vec![0; room.max(1)];
        loop {
            let count = machine.drain(&mut out);
            self.said.extend_from_slice(&out[..count]);
            if count == 0 {
                break;
            }
        }
    }
}

/// What is offered in these properties.
pub const STAT: Stat = Stat { size: 300, mtime: 1_700_000_000, mode: 0o644 };

/// Lets a receiver hear `input` in pieces of `cut` octets, with an owner that always decides the same, and then ends
/// the stream.
pub fn received(input: &[u8], cut: usize, room: usize) -> Heard {
    let mut receiver: Receiver = Receiver::new(Algorithms::ALL, Leading::Plain);
    let mut heard = Heard::default();
    loop {
        heard.listen(&mut receiver, room);
        let piece = &input[heard.taken..(heard.taken + cut).min(input.len())];
        let (before, taken) = (receiver.state(), receiver.feed(piece));
        assert!(taken <= piece.len(), "no octet is taken that was not given");
        heard.taken += taken;
        if taken > 0 || before != receiver.state() {
            continue;
        }
        let polled = format!("{:?}", receiver.poll());
        assert_eq!(polled, format!("{:?}", receiver.poll()), "two polls in a row are equal");
        match receiver.poll() {
            Ok(Event::Offer(offer)) => {
                heard.note(&offer);
                let octets = offer.stat.map_or(0, |stat| stat.size / 2);
                let refused = offer.name.as_str().len() == 13;
                receiver.wait();
                if refused {
                    receiver.refuse(sockhop::file::Refusal::Refused);
                } else {
                    receiver.accept(Held { octets, sum: Sum([7; 32]) });
                }
            }
            Ok(Event::Start { at }) => {
                heard.note(&("start", at));
                receiver.begin();
            }
            Ok(Event::Content { left, .. }) if !piece.is_empty() => {
                let count = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                heard.taken += count;
                receiver.advance(count as u64);
            }
            Ok(Event::Verify) => receiver.verify(Sum([9; 32])),
            Ok(Event::Commit) => receiver.commit(),
            Ok(Event::Finish) => receiver.finish(),
            Ok(Event::Done(_)) | Err(nb::Error::Other(_)) => {
                heard.note(&(receiver.poll().map(|event| format!("{event:?}")), receiver.stored()));
                return heard;
            }
            // A pause ends a classic name; nothing else here waits for time.
            Err(nb::Error::WouldBlock) if receiver.state() == State::Naming => receiver.expire(),
            Ok(Event::Content { .. }) | Err(nb::Error::WouldBlock) => receiver.end(),
        }
    }
}

/// Lets a sender hear `input` in pieces of `cut` octets; its owner acts only when nothing is left to be heard.
pub fn answered(classic: bool, input: &[u8], cut: usize, room: usize) -> Heard {
    let sender =
        if classic { Sender::classic("a name", STAT) } else { Sender::new("a name", STAT, Algorithms::ALL) };
    let mut sender = sender.expect("the name is safe");
    let mut heard = Heard::default();
    loop {
        heard.listen(&mut sender, room);
        let piece = &input[heard.taken..(heard.taken + cut).min(input.len())];
        let (before, taken) = (sender.state(), sender.feed(piece));
        assert!(taken <= piece.len(), "no octet is taken that was not given");
        heard.taken += taken;
        if taken > 0 || before != sender.state() {
            continue;
        }
        assert_eq!(sender.poll(), sender.poll(), "two polls in a row are equal");
        heard.note(&sender.poll());
        match sender.poll() {
            Ok(SenderEvent::Compare { octets, .. }) => sender.compare(Sum([octets as u8 & 1; 32])),
            Ok(SenderEvent::Send { left, .. }) => sender.advance(left.min(100)),
            Ok(SenderEvent::Digest) => sender.digest(Sum([9; 32])),
            Ok(SenderEvent::Finish) => sender.finish(),
            Ok(SenderEvent::Done(_)) => return heard,
            Err(nb::Error::Other(_)) => {
                heard.note(&sender.text());
                return heard;
            }
            Err(nb::Error::WouldBlock) => sender.end(),
        }
    }
}

/// What a receiver does depends neither on how its input is cut nor on how small the buffers of `drain` are.
pub fn receiver_is_cut_invariant(input: &[u8]) {
    let whole = received(input, usize::MAX / 2, 600);
    for (cut, room) in [(1, 1), (2, 3), (7, 2), (280, 1)] {
        assert_eq!(whole, received(input, cut, room), "cut by {cut}");
    }
}

/// The same for a sender, of either protocol.
pub fn sender_is_cut_invariant(input: &[u8]) {
    for classic in [false, true] {
        let whole = answered(classic, input, usize::MAX / 2, 600);
        for (cut, room) in [(1, 1), (2, 3), (7, 2), (40, 1)] {
            assert_eq!(whole, answered(classic, input, cut, room), "cut by {cut}");
        }
    }
}

/// What one attempt at a transfer meets.
#[derive(Clone, Copy, Debug)]
pub struct Meets {
    /// How many octets the connection lends at once.
    pub cut: usize,
    /// How many octets it holds.
    pub room: usize,
    /// After how many octets in either direction it is reset.
    pub reset_after: Option<u64>,
    /// Whether the store is busy every other time.
    pub slow: bool,
    /// The algorithms that the receiver has.
    pub algorithms: Algorithms,
}

/// How one attempt ended, on both sides.
pub type Ends = (Result<Outcome, sockhop::file::SenderError>, Result<Outcome, sockhop::file::Error>);

/// Transfers `book` to `shelf` once, on a clock that moves only while both sides wait.
///
/// # Panics
/// Both sides wait for ever, or anything that must hold does not.
pub fn attempt(book: &Book, classic: bool, shelf: &mut Shelf, meets: Meets) -> Ends {
    let name = book.name.as_str();
    let sender = if classic {
        Sender::classic(name, book.stat())
    } else {
        Sender::new(name, book.stat(), Algorithms::ALL)
    };
    let mut delivery: Delivery<_, _, Either> = Delivery::new(sender.expect("the name is safe"), book);
    shelf.slow = meets.slow;
    let mut intake: Intake<_, Either> = Intake::new(Receiver::new(meets.algorithms, Leading::Plain), shelf);
    let (mut ours, mut theirs) = connection(meets.cut, meets.room, meets.reset_after);
    let (mut scratch, mut recorder) = ([0; 64], Recorder::new(()));
    let mut now = Instant::ZERO;
    let (mut sent, mut got) = (None, None);
    for _ in 0..1_000_000 {
        let mut scene = Scene { now, scratch: &mut scratch, recorder: &mut recorder, flow: 0 };
        let mut waits = true;
        if sent.is_none() {
            match delivery.pump(&mut ours, &mut scene) {
                Turn::Again => waits = false,
                Turn::Wait => {}
                Turn::Done(outcome) => sent = Some(close(&ours, Ok(outcome))),
                Turn::Failed(error) => sent = Some(reset(&ours, Err(error))),
            }
        }
        if got.is_none() {
            match intake.pump(&mut theirs, &mut scene) {
                Turn::Again => waits = false,
                Turn::Wait => {}
                Turn::Done(outcome) => got = Some(close(&theirs, Ok(outcome))),
                Turn::Failed(error) => got = Some(reset(&theirs, Err(error))),
            }
        }
        if let (Some(sent), Some(got)) = (sent, got) {
            return (sent, got);
        }
        if waits && !ours.moved() {
            let next = [sent.map_or(delivery.deadline(), |_| None), got.map_or(intake.deadline(), |_| None)];
            now = next.into_iter().flatten().min().expect("somebody has a deadline").max(now);
        }
    }
    panic!("sender in {:?}, receiver in {:?}: no end", delivery.sender().state(), intake.receiver().state());
}

fn close<T>(end: &crate::shelf::End, result: T) -> T {
    end.shut();
    result
}

fn reset<T>(end: &crate::shelf::End, result: T) -> T {
    end.cut();
    result
}

/// Whatever happens to the connection, a file that is on the shelf is the one that was sent; in the end it is there,
/// nothing else is, and no octet that was held was sent again.
pub fn file_arrives_whole(book: &Book, resets: &[u64], meets: Meets) {
    let mut shelf = Shelf::default();
    let mut attempts = resets.iter().map(|reset| Some(*reset)).chain([None]);
    loop {
        let reset_after = attempts.next().expect("without a reset it arrives");
        let (sent, got) = attempt(book, false, &mut shelf, Meets { reset_after, ..meets });
        if let Some(file) = shelf.files.get(&book.name) {
            assert_eq!(file, &book.content, "the file is whole");
            assert!(shelf.parts.is_empty(), "and nothing else is there");
        } else {
            assert!(got.is_err(), "who has no file has an error");
        }
        if sent == Ok(Outcome::Verified) {
            assert!(shelf.files.contains_key(&book.name), "what is verified is there");
            return;
        }
        assert!(reset_after.is_some(), "an unbroken connection carries it: {sent:?}, {got:?}");
    }
}

/// At each of its prefixes a framed conversation waits for more, and an end there is an error.
pub fn every_prefix_waits(input: &[u8]) {
    for length in 0..input.len() {
        let heard = received(&input[..length], 3, 5);
        let last = heard.events.last().map_or("", String::as_str);
        assert!(last.contains("Ended("), "the sender ended after {length} octets: {last}");
        assert_eq!(heard.taken, length, "and all were taken");
    }
}

/// The same for what a receiver says.
pub fn every_prefix_of_an_answer_waits(input: &[u8]) {
    for length in 0..input.len() {
        let heard = answered(false, &input[..length], 3, 5);
        let over = ["Ended(", "Classic", "Refused(", "Unknown("];
        assert!(heard.events.iter().any(|event| over.iter().any(|over| event.contains(over))), "{heard:?}");
    }
}
