//! Much on few connections: how fast, how evenly, and with how many stalls, from one tenth of a second to the next.

use crate::{HOPELESS, LAST, Load, ROOM, SINK, SOURCE, joined};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

/// A connection on which nothing moves for so long stalls.
const STALL: Duration = Duration::from_millis(200);
/// Octets are counted for each stretch of this length.
const SLOT: Duration = Duration::from_millis(100);

/// What came of one connection.
struct Carried {
    octets: u64,
    seconds: f64,
    stalls: u64,
    pace: Pace,
}

/// How evenly octets have moved.
struct Pace {
    began: Instant,
    moved: Instant,
    /// The longest time without an octet.
    longest: Duration,
    /// Octets of each [`SLOT`] since the beginning.
    slots: Vec<u64>,
}

impl Pace {
    fn begin(now: Instant) -> Self {
        Self { began: now, moved: now, longest: Duration::ZERO, slots: Vec::new() }
    }

    fn note(&mut self, octets: u64) {
        let now = Instant::now();
        // What a stall has not ended yet counts as well.
        self.longest = self.longest.max(now - self.moved);
        if octets == 0 {
            return;
        }
        self.moved = now;
        let slot = usize::try_from((now - self.began).as_millis() / SLOT.as_millis()).unwrap_or(0);
        self.slots.resize(self.slots.len().max(slot + 1), 0);
        self.slots[slot] += octets;
    }
}

impl Load {
    /// Carries octets on all connections for some time; upward those count that the target has heard.
    pub(super) fn bulk(&self, up: bool, lasting: Duration) -> io::Result<String> {
        let streams: Vec<TcpStream> =
            (0..self.connections).map(|_| self.connect()).collect::<io::Result<_>>()?;
        let start = Barrier::new(streams.len());
        let outcomes: Vec<io::Result<Carried>> = thread::scope(|scope| {
            let carry = |stream| {
                start.wait();
                let began = Instant::now();
                carry(stream, up, |_| began.elapsed() < lasting)
            };
            let threads: Vec<_> =
                streams.into_iter().map(|stream| scope.spawn(move || carry(stream))).collect();
            threads.into_iter().map(joined).collect()
        });
        let carried: Vec<Carried> = outcomes.into_iter().collect::<io::Result<_>>()?;
        let rates: Vec<f64> = carried.iter().map(|one| one.octets as f64 / one.seconds).collect();
        let (sum, squares) = (rates.iter().sum::<f64>(), rates.iter().map(|rate| rate * rate).sum::<f64>());
        // Jain's index: 1 when all get the same, 1/n when one gets everything.
        let fair = if squares > 0.0 { sum * sum / (rates.len() as f64 * squares) } else { 0.0 };
        let octets: u64 = carried.iter().map(|one| one.octets).sum();
        let stalls: u64 = carried.iter().map(|one| one.stalls).sum();
        let longest =
            carried.iter().map(|one| one.pace.longest).max().unwrap_or_default().as_secs_f64() * 1e3;
        // The last stretch may be a short one.
        let whole = usize::try_from(lasting.as_millis() / SLOT.as_millis()).unwrap_or(0);
        let of = |slot: usize| carried.iter().filter_map(|one| one.pace.slots.get(slot)).sum::<u64>();
        let slots: Vec<u64> = (0..whole).map(of).collect();
        Ok(format!(
            "{{\"octets_per_second\":{sum:.0},\"octets\":{octets},\"jain\":{fair:.3},\"stalls\":{stalls},\
             \"longest_gap_ms\":{longest:.1},\"per_100_ms\":{slots:?}}}"
        ))
    }

    /// Keeps all connections busy while something else is done, and returns that; `under_way` grows as octets move.
    pub(super) fn busy<R>(&self, up: bool, work: impl FnOnce(&AtomicU64) -> io::Result<R>) -> io::Result<R> {
        let streams: Vec<TcpStream> =
            (0..self.connections).map(|_| self.connect()).collect::<io::Result<_>>()?;
        let (over, under_way) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            for stream in streams {
                // What the bulk comes to does not matter here, and its end is not waited for.
                scope.spawn(|| {
                    carry(stream, up, |octets| {
                        under_way.fetch_add(octets, Ordering::Relaxed);
                        !over.load(Ordering::Relaxed)
                    })
                });
            }
            let outcome = work(&under_way);
            over.store(true, Ordering::Relaxed);
            outcome
        })
    }
}

/// Carries octets while `goes_on` says so, which is asked after each piece and told how large it was.
fn carry(mut stream: TcpStream, up: bool, mut goes_on: impl FnMut(u64) -> bool) -> io::Result<Carried> {
    stream.write_all(&[if up { SINK } else { SOURCE }])?;
    stream.set_read_timeout(Some(STALL))?;
    stream.set_write_timeout(Some(STALL))?;
    let (began, mut room, mut octets, mut stalls) = (Instant::now(), vec![0; ROOM], 0_u64, 0);
    let (mut piece, mut pace) = (0, Pace::begin(began));
    while goes_on(piece) {
        piece = match if up { stream.write(&room) } else { stream.read(&mut room) } {
            Ok(0) => return Err(io::Error::other("an end in the midst of it")),
            Ok(count) => count as u64,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                stalls += 1;
                0
            }
            Err(error) => return Err(error),
        };
        octets += piece;
        pace.note(piece);
    }
    if up {
        stream.set_read_timeout(Some(HOPELESS))?;
        stream.set_write_timeout(Some(HOPELESS))?;
        stream.write_all(&[LAST])?;
        let mut heard = [0; 8];
        stream.read_exact(&mut heard)?;
        let heard = u64::from_be_bytes(heard) - 1;
        if heard != octets {
            return Err(io::Error::other(format!("{octets} octets were sent, and {heard} heard")));
        }
    }
    Ok(Carried { octets, seconds: began.elapsed().as_secs_f64(), stalls, pace })
}
