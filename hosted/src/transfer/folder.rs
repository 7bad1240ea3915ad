//! A folder that names lead into and never out of.

use rustix::fs::{Access, AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// An open folder. Whatever becomes of its path, names are looked up in the folder that was opened.
#[derive(Debug)]
pub struct Folder {
    dir: OwnedFd,
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl Folder {
    /// Opens a folder that exists.
    ///
    /// # Errors
    /// The host's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { dir: rustix::fs::openat(CWD, path, flags, Mode::empty())? })
    }

    /// Returns whether this process may make files in it.
    pub fn takes_files(&self) -> bool {
        rustix::fs::accessat(&self.dir, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::empty()).is_ok()
    }

    /// Opens a file for reading, and for writing if `create` says so; links are not followed.
    pub(super) fn file(&self, name: &str, create: bool) -> io::Result<File> {
        let way = if create { OFlags::RDWR | OFlags::CREATE } else { OFlags::RDONLY | OFlags::NONBLOCK };
        let flags = way | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = if create { Mode::RUSR | Mode::WUSR } else { Mode::empty() };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let fd = match rustix::fs::openat2(&self.dir, name, flags, mode, resolve) {
            // A kernel before 5.6, or a sandbox that does not know the call; a base name needs no more than this.
            Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(&self.dir, name, flags, mode),
            outcome => outcome,
        }?;
        Ok(File::from(fd))
    }

    /// Returns what is there by this name, a link as itself.
    pub(super) fn look(&self, name: &str) -> io::Result<Option<Stat>> {
        match rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns whether `file` is what this name leads to, and nothing else leads to it.
    pub(super) fn leads_to(&self, name: &str, file: &File) -> io::Result<bool> {
        let ours = rustix::fs::fstat(file)?;
        let there = self.look(name)?;
        Ok(there.is_some_and(|there| {
            (there.st_dev, there.st_ino, there.st_nlink) == (ours.st_dev, ours.st_ino, 1)
        }))
    }

    /// Opens a file that nobody else has locked, and locks it; `None` when somebody has.
    pub(super) fn locked(&self, name: &str) -> io::Result<Option<File>> {
        // Between opening and locking the one who had it may have renamed or removed it.
        for _ in 0..8 {
            let file = self.file(name, true)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => return Ok(None),
                outcome => outcome?,
            }
            if self.leads_to(name, &file)? {
                return if file.metadata()?.is_file() { Ok(Some(file)) } else { Err(Errno::INVAL.into()) };
            }
        }
        Ok(None)
    }

    /// Gives a file another name, under which there must be nothing unless `replace` says so.
    pub(super) fn rename(&self, from: &str, to: &str, replace: bool) -> io::Result<()> {
        if replace {
            return Ok(rustix::fs::renameat(&self.dir, from, &self.dir, to)?);
        }
        match rustix::fs::renameat_with(&self.dir, from, &self.dir, to, RenameFlags::NOREPLACE) {
            // A file system that cannot: a second link is made, which never replaces, and the first one goes.
            Err(Errno::INVAL | Errno::NOSYS) => {
                rustix::fs::linkat(&self.dir, from, &self.dir, to, AtFlags::empty())?;
                self.remove(from)
            }
            outcome => Ok(outcome?),
        }
    }

    /// Removes a name.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.dir, name, AtFlags::empty())?)
    }

    /// Waits until the names in it are on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.dir)?)
    }

    /// Returns how many octets fit for somebody who is not root.
    pub(super) fn space(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}
