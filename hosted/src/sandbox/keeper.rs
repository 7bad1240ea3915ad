//! A process that was split off before privileges were given up, and keeps them for two things: it opens the files it
//! was told of when asked to, and undoes what was set up once its owner has ended, however that came about.
//!
//! It hears one octet at a time, the number of a file, and answers with a descriptor that can only be read, or with an
//! error number. Whoever takes the locked process over gains no more by it than those files.

use super::privileges;
use crate::os;
use core::mem::{MaybeUninit, forget};
use core::time::Duration;
use rustix::cmsg_space;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The largest file that is read as a setting, in octets.
const LARGEST: u64 = 16 << 20;

/// How to reach the process, and what it may be asked for.
#[derive(Debug)]
pub struct Keeper {
    socket: Mutex<OwnedFd>,
    files: Vec<PathBuf>,
}

impl Keeper {
    /// Splits the process off; it opens `files` for whoever holds this, and does `undo` when that is dropped or dies.
    ///
    /// # Errors
    /// The kernel's, or `EBUSY` when there are threads already.
    pub fn start(files: Vec<PathBuf>, undo: impl FnOnce()) -> io::Result<Self> {
        let kind = SocketType::SEQPACKET;
        let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
        let mut undo = Some(undo);
        os::split_off(theirs, |socket| {
            // With more than it needs it would still do no more than it is asked to.
            let _ = privileges::keep_few();
            serve(&socket, &files);
            if let Some(undo) = undo.take() {
                undo();
            }
        })?;
        // It is the other process's to do.
        forget(undo);
        // One that is not there would be missed only at the end: so it has to say that it knows no such file.
        rustix::net::send(&ours, &[u8::MAX], SendFlags::NOSIGNAL)?;
        match receive(&ours) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { socket: Mutex::new(ours), files })
            }
            Ok(_) => Err(io::Error::other("too many files were named")),
            Err(error) => Err(error),
        }
    }

    /// Opens one of the files for reading.
    ///
    /// # Errors
    /// Those of opening it, `NotFound` for a file that was not named at the start, or that the process is gone.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        let number = self.files.iter().position(|file| file == path).and_then(|at| u8::try_from(at).ok());
        let unknown = || {
            let text = format!("{} was not named when the program was started", path.display());
            io::Error::new(io::ErrorKind::NotFound, text)
        };
        let number = number.ok_or_else(unknown)?;
        // Nothing is left half done by a thread that panicked here.
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        rustix::net::send(&*socket, &[number], SendFlags::NOSIGNAL)?;
        receive(&socket)
    }
}

impl Drop for Keeper {
    /// Waits until everything is undone.
    fn drop(&mut self) {
        self.end();
    }
}

impl Keeper {
    /// Has everything undone and waits for it, 5 seconds at most; whoever still holds this opens nothing any more.
    pub fn end(&self) {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = rustix::net::shutdown(&*socket, rustix::net::Shutdown::Write);
        let _ = rustix::net::sockopt::set_socket_timeout(
            &*socket,
            rustix::net::sockopt::Timeout::Recv,
            Some(Duration::from_secs(5)),
        );
        // It says nothing more: this returns when it has ended.
        let _ = rustix::net::recv(&*socket, &mut [0; 1][..], RecvFlags::empty());
    }
}

/// Opens files until nobody asks any more.
fn serve(socket: &OwnedFd, files: &[PathBuf]) {
    let mut number = [0];
    while let Ok((1, _)) = rustix::net::recv(socket, &mut number[..], RecvFlags::empty()) {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = files.get(usize::from(number[0])).ok_or(Errno::NOENT);
        let file = file.and_then(|file| rustix::fs::open(file, flags, Mode::empty()));
        if answer(socket, file).is_err() {
            return;
        }
    }
}

/// Sends a descriptor with error number 0, or an error number alone.
fn answer(socket: &OwnedFd, file: Result<OwnedFd, Errno>) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut attached = SendAncillaryBuffer::new(&mut space);
    let error = file.as_ref().map_or_else(|error| error.raw_os_error(), |_| 0).to_ne_bytes();
    let fds: Vec<_> = file.iter().map(AsFd::as_fd).collect();
    if !fds.is_empty() {
        attached.push(SendAncillaryMessage::ScmRights(&fds));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(&error)], &mut attached, SendFlags::NOSIGNAL).map(|_| ())
}

fn receive(socket: &OwnedFd) -> io::Result<File> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut attached = RecvAncillaryBuffer::new(&mut space);
    let mut error = [0; 4];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let said = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut error)], &mut attached, flags)?;
    if said.bytes != error.len() {
        return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the process that opens files has ended"));
    }
    let file = attached.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    file.map(File::from).ok_or_else(|| io::Error::from_raw_os_error(i32::from_ne_bytes(error)))
}

/// Where settings are read from: this process as long as it may, or the keeper.
#[derive(Clone, Debug, Default)]
pub struct Files(Option<Arc<Keeper>>);

impl Files {
    /// Returns files that a keeper opens.
    pub const fn kept_by(keeper: Arc<Keeper>) -> Self {
        Self(Some(keeper))
    }

    /// Reads a file of text, of at most 16 MiB.
    ///
    /// # Errors
    /// Those of opening and reading it.
    pub fn read(&self, path: &Path) -> io::Result<String> {
        let file = match &self.0 {
            Some(keeper) => keeper.open(path)?,
            None => File::open(path)?,
        };
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text)?;
        Ok(text)
    }
}
