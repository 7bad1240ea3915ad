//! A file to be sent, which must not change meanwhile.

use core::fmt;
use rustix::fs::Stat as HostStat;
use sockhop::file::{Fault, Leading, Name, Source, Stat, Unreadable};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Why a file cannot be sent.
#[derive(Debug)]
pub enum SourceError {
    /// It cannot be opened or read.
    Host(String, io::Error),
    /// It is a folder or a device.
    NoFile(String),
    /// Its name is none that a receiver would take.
    Name(String, Fault),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(path, error) => write!(f, "{path:?} cannot be read: {error}"),
            Self::NoFile(path) => write!(f, "{path:?} is no file: name a file, or - for standard input"),
            Self::Name(path, fault) => {
                write!(f, "{path:?} cannot be sent: {fault}; send it under another name with --name")
            }
        }
    }
}

impl core::error::Error for SourceError {}

/// A file to be sent.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    name: String,
    stat: Stat,
    /// What the host said of it in the beginning.
    first: HostStat,
}

impl FileSource {
    /// Opens a file, to be sent by its own name or another one.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn open(path: &Path, name: Option<&str>) -> Result<Self, SourceError> {
        let shown = path.display().to_string();
        let host = |error: io::Error| SourceError::Host(shown.clone(), error);
        let base = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        let name = name.unwrap_or(base).to_owned();
        if let Err(fault) = Name::new(name.as_bytes(), Leading::Any) {
            return Err(SourceError::Name(shown, fault));
        }
        // A pipe without a writer would hold the opener up.
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
        let fd =
            rustix::fs::open(path, flags, rustix::fs::Mode::empty()).map_err(|error| host(error.into()))?;
        let file = File::from(fd);
        if !file.metadata().map_err(host)?.is_file() {
            return Err(SourceError::NoFile(shown));
        }
        Self::of(file, name).map_err(host)
    }

    /// Spools what `input` holds into a file without a name, and returns that.
    ///
    /// # Errors
    /// The host's; the place is `TMPDIR`.
    pub fn spool(mut input: impl Read, name: &str) -> Result<Self, SourceError> {
        if let Err(fault) = Name::new(name.as_bytes(), Leading::Any) {
            return Err(SourceError::Name("-".to_owned(), fault));
        }
        let spooled = || {
            let flags = rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            let mut file = File::from(rustix::fs::open(std::env::temp_dir(), flags, mode)?);
            io::copy(&mut input, &mut file)?;
            file.rewind()?;
            Self::of(file, name.to_owned())
        };
        let mut spooled = spooled;
        spooled().map_err(|error| SourceError::Host("-".to_owned(), error))
    }

    fn of(file: File, name: String) -> io::Result<Self> {
        let first = rustix::fs::fstat(&file)?;
        let mode = u16::try_from(first.st_mode & 0o777).unwrap_or(0o600);
        let stat = Stat { size: first.st_size.cast_unsigned(), mtime: first.st_mtime, mode };
        Ok(Self { file, name, stat, first })
    }

    /// Takes the file as it is now: what changed since it was opened is no fault.
    ///
    /// # Errors
    /// [`SourceError::Host`].
    pub fn renewed(self) -> Result<Self, SourceError> {
        let Self { file, name, .. } = self;
        Self::of(file, name.clone()).map_err(|error| SourceError::Host(name, error))
    }

    /// Returns the name it is sent by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what is offered of it.
    pub const fn offered(&self) -> Stat {
        self.stat
    }
}

impl Source for FileSource {
    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<usize, Unreadable> {
        loop {
            match self.file.read_at(into, at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome.map_err(|_| Unreadable),
            }
        }
    }

    fn stat(&mut self) -> Result<Stat, Unreadable> {
        let now = rustix::fs::fstat(&self.file).map_err(|_| Unreadable)?;
        let then = &self.first;
        let unchanged = (now.st_size, now.st_mtime, now.st_mtime_nsec)
            == (then.st_size, then.st_mtime, then.st_mtime_nsec);
        if unchanged { Ok(self.stat) } else { Err(Unreadable) }
    }
}
