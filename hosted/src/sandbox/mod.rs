//! What the process gives up once its device is open: everything that a flaw in it could be used for.
//!
//! ```text
//! open the TUN, bind, read files ─► split the keeper off ─► Plan::enter ─► start threads ─► serve
//!                                        │
//!                                        └ keeps its privileges, opens the files it was told of, undoes what was set up
//! ```
//!
//! [`Plan::enter`] is called while there is one thread, so that every later one begins locked in. What it cannot have
//! on this kernel it says, and goes on; what was asked for by name and cannot be had is an error.
//!
//! ```no_run
//! use sockhop_hosted::sandbox::Plan;
//!
//! let listener = std::net::TcpListener::bind("0.0.0.0:1080").expect("the port is free"); // first what needs a privilege
//! match Plan::default().enter() {
//!     Ok(held) => println!("{held}"), // locked in: user 65534, no capabilities, no files, ..
//!     Err(error) => eprintln!("{error}"), // and end
//! }
//! # drop(listener);
//! ```

mod account;
mod calls;
mod files;
mod keeper;
mod privileges;

pub use account::Account;
use calls::Reach;
pub use files::Extent;
pub use keeper::{Files, Keeper};

use core::fmt;
use std::io;
use std::path::PathBuf;

/// What a process is to keep.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whom to become; without somebody, whoever called `sudo`, and without him `nobody`. Only root can choose.
    pub run_as: Option<Account>,
    /// What may be opened for reading, with everything below it.
    pub read: Vec<PathBuf>,
    /// What may be opened, made, changed and removed, with everything below it.
    pub write: Vec<PathBuf>,
    /// Whether a terminal may be set up and watched.
    pub terminal: bool,
    /// Whether a system call that is none of this program's ends it, instead of failing with `EPERM`.
    pub stern: bool,
}

impl Default for Plan {
    /// Keeps no file, and is stern where nobody is debugging.
    fn default() -> Self {
        Self {
            run_as: None,
            read: Vec::new(),
            write: Vec::new(),
            terminal: false,
            stern: !cfg!(debug_assertions),
        }
    }
}

/// Why a process is not locked in, and what to do about it.
#[derive(Debug)]
pub enum Error {
    /// The process has threads already, which would stay as they are.
    Threads,
    /// The user could not be taken.
    User(Account, io::Error),
    /// A privilege could not be given up: which, and why.
    Privilege(&'static str, io::Error),
    /// A path that is to be kept cannot be named to the kernel.
    Path(PathBuf, String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threads => f.write_str("the sandbox has to be entered before the first thread is started"),
            Self::User(account, error) => {
                write!(f, "{account} could not be taken ({error}): choose another user with `--run-as USER`")
            }
            Self::Privilege(what, error) => {
                write!(f, "{what} could not be given up ({error}): run it without, by `--no-sandbox`")
            }
            Self::Path(path, error) => {
                write!(f, "{} cannot be kept in the sandbox ({error}): name one that exists", path.display())
            }
        }
    }
}

impl core::error::Error for Error {}

/// What holds from now on, as one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Who the process is.
    pub user: u32,
    /// How much of the file system it is kept from by landlock; `None` when the kernel has no landlock.
    pub landlock: Option<Extent>,
    /// How many system calls are left; `None` when the kernel has no seccomp.
    pub calls: Option<usize>,
    /// Whether another call ends the process.
    pub stern: bool,
    /// Whether any file can be opened at all.
    pub files: bool,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "locked in: user {}, no capabilities", self.user)?;
        match (self.landlock, self.files) {
            (Some(Extent::Whole), false) => f.write_str(", no files")?,
            (Some(Extent::Whole), true) => f.write_str(", its own files only")?,
            (Some(Extent::Partly), _) => f.write_str(", files by an old landlock")?,
            (None, _) => f.write_str(", no landlock in this kernel")?,
        }
        match self.calls {
            Some(calls) => {
                let others = if self.stern { "end it" } else { "fail" };
                write!(f, ", {calls} system calls, of which others {others}")
            }
            None => f.write_str(", no seccomp in this kernel"),
        }
    }
}

/// Returns whether this kernel has landlock, and whether it has seccomp; nothing is given up by asking.
pub fn offered() -> (bool, bool) {
    (files::are_offered(), std::path::Path::new("/proc/sys/kernel/seccomp/actions_avail").exists())
}

impl Plan {
    /// Gives up what is not in the plan, for good, and says what holds.
    ///
    /// # Errors
    /// [`Error`], whose text names the way out; the process may have given up some of it and should end.
    pub fn enter(&self) -> Result<Held, Error> {
        let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
        if threads != 1 {
            return Err(Error::Threads);
        }
        // In this order: each step needs what the next one gives up.
        privileges::drop_all(self.run_as)?;
        let reach = match (self.read.is_empty(), self.write.is_empty()) {
            (true, true) => Reach::Nothing,
            (false, true) => Reach::Read,
            (_, false) => Reach::Write,
        };
        let landlock = files::restrict(&self.read, &self.write)?;
        let calls = calls::restrict(reach, self.terminal, self.stern);
        let user = rustix::process::geteuid().as_raw();
        Ok(Held { user, landlock, calls, stern: self.stern, files: reach != Reach::Nothing })
    }
}
