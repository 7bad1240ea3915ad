//! One file on its way into a folder.

use super::Folder;
use core::fmt::Write;
use mio::Waker;
use rustix::fs::{FileType, Mode, Timespec, Timestamps};
use rustix::io::Errno;
use sockhop::file::{Algorithm, Digest, Keep, Offer, Refusal, Sha256, Stat, Store};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};

/// How part files begin; no file with such a name is received.
const PREFIX: &str = ".sockhop-";
/// The permissions of a file of which nothing but its name is known.
const CLASSIC_MODE: Mode = Mode::from_bits_retain(0o644);
/// How many other names are tried for a file whose own is taken.
const NAMES: u32 = 1_000;

/// What becomes of a file whose name is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// It is refused.
    #[default]
    Refuse,
    /// It takes the place of the one that is there.
    Overwrite,
    /// It gets a number.
    Rename,
}

/// What a folder takes.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// What becomes of a file whose name is taken.
    pub existing: Existing,
    /// The largest file, in octets.
    pub max_size: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { existing: Existing::Refuse, max_size: u64::MAX }
    }
}

/// One file on its way into a folder, as a [`Store`].
#[derive(Debug)]
pub struct Part {
    folder: Arc<Folder>,
    policy: Policy,
    /// Who is woken when a commit is done; without one a commit waits.
    waker: Option<Arc<Waker>>,
    open: Option<Open>,
    committing: Option<Receiver<Result<String, Refusal>>>,
    /// What was offered, even if it was refused.
    offered: Option<(String, Option<Stat>)>,
    /// The name that the file has in the end.
    name: Option<String>,
}

/// What a part is while it is received.
#[derive(Debug)]
struct Open {
    name: String,
    stat: Option<Stat>,
    /// The part file's name; `None` while the whole file is there already and only read.
    part: Option<String>,
    file: File,
}

impl Part {
    /// Returns a place for one file.
    pub const fn new(folder: Arc<Folder>, policy: Policy, waker: Option<Arc<Waker>>) -> Self {
        Self { folder, policy, waker, open: None, committing: None, offered: None, name: None }
    }

    /// Returns the name that the file was given, once it is in its place.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the name that was offered.
    pub fn offered(&self) -> Option<(&str, Option<Stat>)> {
        self.offered.as_ref().map(|(name, stat)| (name.as_str(), *stat))
    }

    /// Returns whether the file is being brought to the disk.
    pub const fn is_committing(&self) -> bool {
        self.committing.is_some()
    }

    /// Returns the file itself, if it is there already: the same name, size and time.
    fn whole(&self, name: &str, stat: Option<Stat>) -> Result<Option<File>, Refusal> {
        let Some(there) = self.folder.look(name).map_err(refusal)? else { return Ok(None) };
        let is_file = FileType::from_raw_mode(there.st_mode) == FileType::RegularFile;
        let same = |stat: Stat| there.st_size.cast_unsigned() == stat.size && there.st_mtime == stat.mtime;
        if is_file && stat.is_some_and(same) {
            return self.folder.file(name, false).map(Some).map_err(refusal);
        }
        // What is no file is never replaced.
        let kept = self.policy.existing == Existing::Refuse
            || self.policy.existing == Existing::Overwrite && !is_file;
        if kept { Err(Refusal::Exists) } else { Ok(None) }
    }

    /// Opens the part file and returns how much it holds.
    fn part(&mut self, name: String, stat: Option<Stat>) -> Result<u64, Refusal> {
        let part = part_name(&name, stat);
        let file = self.folder.locked(&part).map_err(refusal)?.ok_or(Refusal::Busy)?;
        let mut held = file.metadata().map_err(refusal)?.len();
        if stat.is_none_or(|stat| held > stat.size) {
            file.set_len(0).map_err(refusal)?;
            held = 0;
        }
        let open = Open { name, stat, part: Some(part), file };
        let needed = stat.map_or(0, |stat| stat.size - held);
        if needed > self.folder.space().map_err(refusal)? {
            forget(&self.folder, &open);
            return Err(Refusal::NoSpace);
        }
        self.open = Some(open);
        Ok(held)
    }
}

impl Store for Part {
    fn open(&mut self, offer: &Offer<'_>) -> Result<u64, Refusal> {
        let name = offer.name.as_str();
        self.offered = Some((name.to_owned(), offer.stat));
        if name.starts_with(PREFIX) {
            return Err(Refusal::BadName);
        }
        if offer.stat.is_some_and(|stat| stat.size > self.policy.max_size) {
            return Err(Refusal::TooLarge);
        }
        match (self.whole(name, offer.stat)?, offer.stat) {
            (Some(file), Some(stat)) => {
                self.open = Some(Open { name: name.to_owned(), stat: offer.stat, part: None, file });
                Ok(stat.size)
            }
            (Some(_) | None, stat) => self.part(name.to_owned(), stat),
        }
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<usize, Refusal> {
        let open = self.open.as_ref().ok_or(Refusal::Local)?;
        match open.file.read_at(into, at) {
            Ok(0) | Err(_) => Err(Refusal::Local),
            Ok(count) => Ok(count),
        }
    }

    fn truncate(&mut self, at: u64) -> Result<(), Refusal> {
        let open = self.open.as_ref().ok_or(Refusal::Local)?;
        if open.part.is_some() {
            return open.file.set_len(at).map_err(refusal);
        }
        if open.stat.is_some_and(|stat| stat.size == at) {
            return Ok(());
        }
        // The one that is there has another content.
        if self.policy.existing == Existing::Refuse {
            return Err(Refusal::Exists);
        }
        let (name, stat) = (open.name.clone(), open.stat);
        self.part(name, stat)?;
        self.open.as_ref().ok_or(Refusal::Local)?.file.set_len(at).map_err(refusal)
    }

    fn write(&mut self, at: u64, octets: &[u8]) -> nb::Result<usize, Refusal> {
        let open = self.open.as_ref().ok_or(Refusal::Local)?;
        if at.saturating_add(octets.len() as u64) > self.policy.max_size {
            return Err(nb::Error::Other(Refusal::TooLarge));
        }
        match open.file.write_at(octets, at) {
            Ok(0) => Err(nb::Error::Other(Refusal::NoSpace)),
            Ok(count) => Ok(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(nb::Error::WouldBlock),
            Err(error) => Err(nb::Error::Other(refusal(error))),
        }
    }

    fn commit(&mut self) -> nb::Result<(), Refusal> {
        let done = if let Some(committing) = &self.committing {
            match committing.try_recv() {
                Ok(done) => done,
                Err(TryRecvError::Empty) => return Err(nb::Error::WouldBlock),
                Err(TryRecvError::Disconnected) => Err(Refusal::Local),
            }
        } else {
            let open = self.open.take().ok_or(Refusal::Local)?;
            let (folder, policy) = (Arc::clone(&self.folder), self.policy);
            if let Some(waker) = self.waker.clone() {
                let (tell, told) = mpsc::channel();
                self.committing = Some(told);
                std::thread::spawn(move || {
                    // Whoever has gone meanwhile finds the file in its place.
                    let _ = tell.send(settle(&folder, &open, policy.existing));
                    let _ = waker.wake();
                });
                return Err(nb::Error::WouldBlock);
            }
            settle(&folder, &open, policy.existing)
        };
        self.committing = None;
        self.name = Some(done?);
        Ok(())
    }

    fn abort(&mut self, keep: Keep) {
        let Some(open) = self.open.take() else { return };
        // Nothing tells a classic part from one of another file of its name; an empty one is of no use to anybody.
        let useless = open.stat.is_none() || open.file.metadata().is_ok_and(|there| there.len() == 0);
        if keep == Keep::Nothing || useless {
            forget(&self.folder, &open);
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.abort(Keep::Part);
    }
}

/// Brings a file to the disk and gives it its name, which it returns.
fn settle(folder: &Folder, open: &Open, existing: Existing) -> Result<String, Refusal> {
    let Some(part) = &open.part else { return Ok(open.name.clone()) };
    if open.stat.is_none() {
        rustix::fs::fchmod(&open.file, CLASSIC_MODE).map_err(refusal)?;
    }
    if let Some(stat) = open.stat {
        let time = Timespec { tv_sec: stat.mtime, tv_nsec: 0 };
        let mode = Mode::from_raw_mode(stat.mode.into());
        rustix::fs::fchmod(&open.file, mode | Mode::RUSR | Mode::WUSR).map_err(refusal)?;
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::futimens(&open.file, &times).map_err(refusal)?;
    }
    open.file.sync_all().map_err(refusal)?;
    // Whoever else may write here could have put another file, or a link, in the place of the part.
    if !folder.leads_to(part, &open.file).map_err(refusal)? {
        return Err(Refusal::Local);
    }
    let name = named(folder, part, &open.name, existing)?;
    if !folder.leads_to(&name, &open.file).map_err(refusal)? {
        return Err(Refusal::Local);
    }
    folder.sync().map_err(refusal)?;
    Ok(name)
}

/// Gives the part its name, or the first one like it that is free.
fn named(folder: &Folder, part: &str, name: &str, existing: Existing) -> Result<String, Refusal> {
    let first = folder.rename(part, name, existing == Existing::Overwrite);
    match first {
        Ok(()) => return Ok(name.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && existing == Existing::Rename => {}
        Err(error) => return Err(refusal(error)),
    }
    let (stem, extension) =
        name.rsplit_once('.').map_or((name, String::new()), |(stem, end)| (stem, format!(".{end}")));
    for number in 1..NAMES {
        let mut room = 255 - extension.len().min(100) - 8;
        while !stem.is_char_boundary(room.min(stem.len())) {
            room -= 1;
        }
        let other = format!("{} ({number}){extension}", &stem[..room.min(stem.len())]);
        match folder.rename(part, &other, false) {
            Ok(()) => return Ok(other),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(refusal(error)),
        }
    }
    Err(Refusal::Exists)
}

/// Removes a part file, if it is still the one that was opened.
fn forget(folder: &Folder, open: &Open) {
    let Some(part) = &open.part else { return };
    if folder.leads_to(part, &open.file).unwrap_or(false) {
        // What cannot be removed is found and reused by the next attempt.
        let _ = folder.remove(part);
    }
}

/// Returns the name of the part file of a file; that of a classic one depends on its name alone.
fn part_name(name: &str, stat: Option<Stat>) -> String {
    let mut digest = Sha256::begin(Algorithm::Sha256);
    digest.update(name.as_bytes());
    if let Some(stat) = stat {
        digest.update(&[0]);
        digest.update(&stat.size.to_be_bytes());
        digest.update(&stat.mtime.to_be_bytes());
    }
    let mut text = PREFIX.to_owned();
    for octet in &digest.sum().0[..16] {
        // A string takes whatever is written to it.
        let _ = write!(text, "{octet:02x}");
    }
    text + ".part"
}

/// Says what an error of the host's means to a sender.
fn refusal(error: impl Into<io::Error>) -> Refusal {
    let error = error.into();
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    match number {
        Some(Errno::NOSPC | Errno::DQUOT) => Refusal::NoSpace,
        Some(Errno::FBIG) => Refusal::TooLarge,
        Some(Errno::EXIST | Errno::NOTEMPTY | Errno::ISDIR) => Refusal::Exists,
        Some(Errno::NAMETOOLONG) => Refusal::BadName,
        _ => Refusal::Local,
    }
}
