//! Digests of large files that are sent, computed beside the connection that carries them.
//!
//! BLAKE3 takes nearly as long for an octet as the stack does. On a thread of its own it costs the connection no more than
//! a copy. A receiver hashes where its octets lie: what holds it back is the file system, and there may be many files.

use core::sync::atomic::{AtomicUsize, Ordering};
use sockhop::file::{Algorithm, Algorithms, Digest, Either, Sum};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::{Builder, JoinHandle, available_parallelism};

/// Octets of a file that are hashed where they are: shorter ones are not worth a thread.
const HERE: u64 = 4 << 20;
/// Octets that go to the thread at once.
const PIECE: usize = 256 << 10;
/// Pieces that may wait for the thread; whoever has another one waits.
const WAITING: usize = 8;

/// Threads of this process that hash.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Either digest, of a long file on a thread of its own.
///
/// There are never more such threads than cores beside the first one; the files beyond are hashed where they are.
#[derive(Debug)]
pub(super) struct Hashing {
    taken: u64,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Here(Box<Either>),
    Beside(Beside),
}

impl Digest for Hashing {
    const ALGORITHMS: Algorithms = Either::ALGORITHMS;

    fn begin(algorithm: Algorithm) -> Self {
        Self { taken: 0, place: Place::Here(Box::new(Either::begin(algorithm))) }
    }

    fn update(&mut self, octets: &[u8]) {
        if self.taken >= HERE
            && let Place::Here(digest) = &self.place
            && let Some(beside) = Beside::begin(digest)
        {
            self.place = Place::Beside(beside);
        }
        self.taken += octets.len() as u64;
        match &mut self.place {
            Place::Here(digest) => digest.update(octets),
            Place::Beside(beside) => beside.update(octets),
        }
    }

    fn sum(&self) -> Sum {
        match &self.place {
            Place::Here(digest) => digest.sum(),
            Place::Beside(beside) => beside.sum(),
        }
    }
}

/// What the thread is told.
enum Told {
    /// The next octets.
    Piece(Vec<u8>),
    /// That somebody wants to know the digest of all before and these.
    Sum(Vec<u8>, Sender<Sum>),
}

/// A thread that hashes, from this side.
#[derive(Debug)]
struct Beside {
    /// Octets that are not told yet.
    piece: Vec<u8>,
    /// `None` once the thread is to end.
    tell: Option<Sender<Told>>,
    /// Pieces that it has done with.
    done: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
    _place: Held,
}

impl Beside {
    /// Starts a thread that goes on from `digest`, unless there are enough of them.
    fn begin(digest: &Either) -> Option<Self> {
        let place = Held::take()?;
        let (tell, told) = channel();
        let (give, done) = sync_channel(WAITING);
        for _ in 1..WAITING {
            give.send(Vec::with_capacity(PIECE)).ok()?;
        }
        let digest = digest.clone();
        let hash = move || hash(digest, &told, |piece| give.send(piece).is_ok());
        let thread = Builder::new().name("digest".to_owned()).spawn(hash).ok()?;
        let piece = Vec::with_capacity(PIECE);
        Some(Self { piece, tell: Some(tell), done, thread: Some(thread), _place: place })
    }

    fn update(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let (now, later) = octets.split_at(octets.len().min(PIECE - self.piece.len()));
            self.piece.extend_from_slice(now);
            octets = later;
            if self.piece.len() == PIECE {
                let next = self.done.recv().unwrap_or_else(|_| self.has_panicked());
                let full = core::mem::replace(&mut self.piece, next);
                self.tell(Told::Piece(full));
            }
        }
    }

    fn sum(&self) -> Sum {
        let (answer, answered) = channel();
        self.tell(Told::Sum(self.piece.clone(), answer));
        answered.recv().unwrap_or_else(|_| self.has_panicked())
    }

    fn tell(&self, told: Told) {
        let tell = self.tell.as_ref().filter(|tell| tell.send(told).is_ok());
        tell.map_or_else(|| self.has_panicked(), |_| ());
    }

    /// The thread ends only after this has gone, unless hashing itself panics.
    fn has_panicked<R>(&self) -> R {
        panic!("{:?} panicked", self.thread)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.tell.take());
        if let Some(thread) = self.thread.take() {
            // A panic of its own was seen, or nobody waits for the digest.
            let _ = thread.join();
        }
    }
}

fn hash(mut digest: Either, told: &Receiver<Told>, give_back: impl Fn(Vec<u8>) -> bool) {
    while let Ok(told) = told.recv() {
        match told {
            Told::Piece(mut piece) => {
                digest.update(&piece);
                piece.clear();
                if !give_back(piece) {
                    return;
                }
            }
            Told::Sum(rest, answer) => {
                let mut whole = digest.clone();
                whole.update(&rest);
                // Nobody may want it any more.
                let _ = answer.send(whole.sum());
            }
        }
    }
}

/// A place among the threads that may hash at once.
#[derive(Debug)]
struct Held;

impl Held {
    fn take() -> Option<Self> {
        let most = available_parallelism().map_or(0, |cores| cores.get() - 1);
        let took = THREADS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |threads| {
            (threads < most).then_some(threads + 1)
        });
        took.ok().map(|_| Self)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        THREADS.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: usize = HERE as usize + 3 * WAITING * PIECE;

    fn octets() -> Vec<u8> {
        (0..LONG).map(|at| ((at * at) >> 7) as u8).collect()
    }

    /// Hashes `octets`, given in pieces of so many.
    fn hashed(algorithm: Algorithm, octets: &[u8], piece: usize) -> Hashing {
        let mut hashing = Hashing::begin(algorithm);
        octets.chunks(piece).for_each(|piece| hashing.update(piece));
        hashing
    }

    fn sum_of(algorithm: Algorithm, octets: &[u8]) -> Sum {
        let mut digest = Either::begin(algorithm);
        digest.update(octets);
        digest.sum()
    }

    #[test]
    fn a_long_file_has_the_digest_it_has_elsewhere_however_it_is_cut() {
        let octets = octets();
        for algorithm in [Algorithm::Sha256, Algorithm::Blake3] {
            for piece in [PIECE, 65_521, 1 << 20] {
                assert_eq!(hashed(algorithm, &octets, piece).sum(), sum_of(algorithm, &octets), "{piece}");
            }
        }
    }

    #[test]
    fn more_octets_may_follow_a_digest() {
        let octets = octets();
        let (first, rest) = octets.split_at(HERE as usize + PIECE / 3);
        let mut hashing = hashed(Algorithm::Blake3, first, 50_000);
        assert_eq!(hashing.sum(), sum_of(Algorithm::Blake3, first));
        hashing.update(rest);
        assert_eq!(hashing.sum(), sum_of(Algorithm::Blake3, &octets));
    }

    #[test]
    fn files_beyond_the_last_core_are_hashed_where_they_are() {
        let octets = octets();
        let all = (0..=available_parallelism().map_or(1, |cores| cores.get()))
            .map(|_| hashed(Algorithm::Blake3, &octets, PIECE))
            .collect::<Vec<_>>();
        assert!(all.iter().any(|hashing| matches!(hashing.place, Place::Here(_))));
        assert!(all.iter().all(|hashing| hashing.sum() == sum_of(Algorithm::Blake3, &octets)));
    }
}
