//! Files and a connection in memory.

use core::cell::RefCell;
use sockhop::file::{Keep, Offer, Refusal, Source, Stat, Store, Unreadable};
use sockhop::relay::{Broken, Ring, Stream};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// A file to be sent.
#[derive(Clone, Debug)]
pub struct Book {
    /// Its name.
    pub name: String,
    /// Its content.
    pub content: Vec<u8>,
}

impl Book {
    /// Returns what a folder would say of it.
    pub fn stat(&self) -> Stat {
        Stat { size: self.content.len() as u64, mtime: 1_700_000_000, mode: 0o644 }
    }
}

impl Source for &Book {
    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<usize, Unreadable> {
        let rest = self.content.get(at as usize..).ok_or(Unreadable)?;
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn stat(&mut self) -> Result<Stat, Unreadable> {
        Ok(Book::stat(self))
    }
}

/// What a part is found again by: its name, size and time.
type Key = (String, Option<(u64, i64)>);

/// Where files are received.
#[derive(Debug, Default)]
pub struct Shelf {
    /// The files in their places.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What is kept of files that have not arrived whole.
    pub parts: BTreeMap<Key, Vec<u8>>,
    /// How many octets fit; any number if `None`.
    pub space: Option<usize>,
    /// Whether every other write finds it busy.
    pub slow: bool,
    /// How many octets were written, in all.
    pub written: u64,
    open: Option<Key>,
    busy: bool,
}

impl Shelf {
    /// Returns an empty shelf on which so many octets fit.
    pub fn of(space: usize) -> Self {
        Self { space: Some(space), ..Self::default() }
    }

    /// Returns what is held of the open file: a part of it, or the whole of an earlier one.
    fn held(&self) -> Option<&Vec<u8>> {
        let key = self.open.as_ref()?;
        self.parts.get(key).or_else(|| self.files.get(&key.0))
    }
}

impl Store for &mut Shelf {
    fn open(&mut self, offer: &Offer<'_>) -> Result<u64, Refusal> {
        let name = offer.name.as_str().to_owned();
        let key = (name.clone(), offer.stat.map(|stat| (stat.size, stat.mtime)));
        let there = self.files.get(&name).map(Vec::len);
        let same = offer.stat.is_some_and(|stat| there == Some(stat.size as usize));
        if there.is_some() && !same {
            return Err(Refusal::Exists);
        }
        self.open = Some(key.clone());
        if there.is_none() {
            self.parts.entry(key).or_default();
        }
        Ok(self.held().map_or(0, Vec::len) as u64)
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<usize, Refusal> {
        let held = self.held().and_then(|octets| octets.get(at as usize..)).ok_or(Refusal::Local)?;
        let count = held.len().min(into.len());
        into[..count].copy_from_slice(&held[..count]);
        Ok(count)
    }

    fn truncate(&mut self, at: u64) -> Result<(), Refusal> {
        let shelf = &mut **self;
        let key = shelf.open.as_ref().ok_or(Refusal::Local)?;
        match shelf.parts.get_mut(key) {
            Some(part) => part.truncate(at as usize),
            None if shelf.files.get(&key.0).is_some_and(|file| file.len() as u64 == at) => {}
            None => return Err(Refusal::Exists),
        }
        Ok(())
    }

    fn write(&mut self, at: u64, octets: &[u8]) -> nb::Result<usize, Refusal> {
        let shelf = &mut **self;
        shelf.busy = shelf.slow && !shelf.busy;
        if shelf.busy {
            return Err(nb::Error::WouldBlock);
        }
        let key = shelf.open.as_ref().ok_or(Refusal::Local)?;
        let part = shelf.parts.get_mut(key).ok_or(Refusal::Local)?;
        assert_eq!(part.len() as u64, at, "octets come in order");
        if shelf.space.is_some_and(|space| part.len() + octets.len() > space) {
            return Err(nb::Error::Other(Refusal::NoSpace));
        }
        part.extend_from_slice(octets);
        shelf.written += octets.len() as u64;
        Ok(octets.len())
    }

    fn commit(&mut self) -> nb::Result<(), Refusal> {
        let key = self.open.take().ok_or(Refusal::Local)?;
        if let Some(part) = self.parts.remove(&key) {
            self.files.insert(key.0, part);
        }
        Ok(())
    }

    fn abort(&mut self, keep: Keep) {
        let Some(key) = self.open.take() else { return };
        // Nothing tells a classic part from one of another file of its name.
        if keep == Keep::Nothing || key.1.is_none() {
            self.parts.remove(&key);
        }
    }
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub struct Lane {
    octets: VecDeque<u8>,
    fin: bool,
    broken: bool,
    room: usize,
    /// Octets that it still carries before the connection is reset.
    left: Option<u64>,
    moves: u64,
}

/// One end of a connection.
#[derive(Debug)]
pub struct End {
    inward: Rc<RefCell<Lane>>,
    outward: Rc<RefCell<Lane>>,
    cut: usize,
    seen: core::cell::Cell<u64>,
}

/// Returns a connection that lends `cut` octets at once, holds `room` in each direction, and is reset once either
/// direction has carried so many.
pub fn connection(cut: usize, room: usize, reset_after: Option<u64>) -> (End, End) {
    let lane = || Rc::new(RefCell::new(Lane { room: room.max(1), left: reset_after, ..Lane::default() }));
    let (there, back) = (lane(), lane());
    let cut = cut.max(1);
    let end = |inward: &Rc<_>, outward: &Rc<_>| End {
        inward: Rc::clone(inward),
        outward: Rc::clone(outward),
        cut,
        seen: core::cell::Cell::new(0),
    };
    (end(&back, &there), end(&there, &back))
}

impl End {
    /// Ends our half in order.
    pub fn shut(&self) {
        self.outward.borrow_mut().fin = true;
    }

    /// Resets the connection.
    pub fn cut(&self) {
        self.outward.borrow_mut().broken = true;
        self.inward.borrow_mut().broken = true;
    }

    /// Returns whether anything has moved since this was asked last.
    pub fn moved(&self) -> bool {
        let moves = self.inward.borrow().moves + self.outward.borrow().moves;
        self.seen.replace(moves) != moves
    }
}

impl Stream for End {
    fn read(&mut self, into: &mut [u8]) -> nb::Result<usize, Broken> {
        let read = self.with_received(|octets| {
            let count = octets.len().min(into.len());
            into[..count].copy_from_slice(&octets[..count]);
            (count, count)
        })?;
        Ok(read.unwrap_or(0))
    }

    fn write(&mut self, from: &[u8]) -> nb::Result<usize, Broken> {
        self.with_space(|space| {
            let count = space.len().min(from.len());
            space[..count].copy_from_slice(&from[..count]);
            (count, count)
        })
    }

    fn close(&mut self) {
        self.shut();
    }

    fn abort(&mut self) {
        self.cut();
    }
}

impl Ring for End {
    fn with_received<R>(&mut self, take: impl FnOnce(&[u8]) -> (usize, R)) -> nb::Result<Option<R>, Broken> {
        let mut lane = self.inward.borrow_mut();
        let count = lane.octets.len().min(self.cut);
        if count == 0 {
            return match (lane.broken, lane.fin) {
                (true, _) => Err(nb::Error::Other(Broken::Reset)),
                (false, true) => Ok(None),
                (false, false) => Err(nb::Error::WouldBlock),
            };
        }
        let (taken, result) = take(&lane.octets.make_contiguous()[..count]);
        lane.octets.drain(..taken);
        lane.moves += taken as u64;
        Ok(Some(result))
    }

    fn with_space<R>(&mut self, fill: impl FnOnce(&mut [u8]) -> (usize, R)) -> nb::Result<R, Broken> {
        let mut lane = self.outward.borrow_mut();
        if lane.left == Some(0) {
            lane.broken = true;
            self.inward.borrow_mut().broken = true;
        }
        if lane.broken || lane.fin {
            return Err(nb::Error::Other(Broken::Reset));
        }
        let space = (lane.room - lane.octets.len()).min(self.cut);
        let space = lane.left.map_or(space, |left| space.min(usize::try_from(left).unwrap_or(usize::MAX)));
        if space == 0 {
            return Err(nb::Error::WouldBlock);
        }
        let mut octets = vec![0; space];
        let (filled, result) = fill(&mut octets);
        lane.octets.extend(&octets[..filled]);
        lane.left = lane.left.map(|left| left - filled as u64);
        lane.moves += filled as u64;
        Ok(result)
    }

    fn unsent(&self) -> usize {
        self.outward.borrow().octets.len()
    }
}
