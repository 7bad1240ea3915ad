//! A TCP socket whose rings stand in pages of their own.
//!
//! smoltcp takes a socket's rings once, so they are as large as the connection may ever need. The kernel counts only
//! pages that were touched, and takes those back of which it hears that nobody needs what stands in them. An allocator
//! shows neither: it puts rings between other things, clears them beforehand, and keeps its own notes in their pages.

use core::ffi::c_void;
use core::ptr::{NonNull, null_mut};
use rustix::mm::{Advice, MapFlags, ProtFlags};
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use std::io;

/// A TCP socket, alone in a set of its own, and the memory of its rings.
///
/// The socket never leaves it: its rings end with it.
pub(crate) struct Mapped {
    /// Stands before the memory, and so is dropped before it.
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    memory: Memory,
}

impl Mapped {
    /// Returns a closed socket with two rings of `ring` octets each, none of which costs anything yet.
    ///
    /// # Errors
    /// The kernel's, when it has no room for the rings.
    pub(crate) fn new(ring: usize) -> io::Result<Self> {
        debug_assert!(ring > 0, "smoltcp panics without a ring");
        let memory = Memory::new(2 * ring)?;
        let at = memory.start.cast::<u8>();
        // SAFETY: the two slices are the halves of a mapping that is as long as both, initialised by the kernel, and
        // reached by no other reference. They live in the socket alone, which does not leave this value and is dropped
        // before the mapping is.
        let (receive, send) = unsafe {
            (
                NonNull::slice_from_raw_parts(at, ring).as_mut(),
                NonNull::slice_from_raw_parts(at.add(ring), ring).as_mut(),
            )
        };
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(Socket::new(SocketBuffer::new(receive), SocketBuffer::new(send)));
        Ok(Self { sockets, handle, memory })
    }

    /// Returns the socket.
    pub(crate) fn socket(&self) -> &Socket<'static> {
        self.sockets.get(self.handle)
    }

    /// Returns the socket, to be used where it is.
    pub(crate) fn socket_mut(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    /// Returns the set that it is alone in.
    pub(crate) const fn sockets(&mut self) -> &mut SocketSet<'static> {
        &mut self.sockets
    }

    /// Lets the kernel have the pages of both rings: whatever stood in them reads as zero from now on.
    ///
    /// Octets that came out of order stand in the receive ring although it looks empty; whether there are any, only the
    /// caller knows.
    pub(crate) fn release(&mut self) {
        debug_assert_eq!(
            (self.socket().recv_queue(), self.socket().send_queue()),
            (0, 0),
            "octets would be lost"
        );
        // SAFETY: the mapping is this value's, which is borrowed exclusively: nobody reads or writes it meanwhile, and
        // octets that have become zero are octets.
        let released = unsafe {
            rustix::mm::madvise(self.memory.start.as_ptr(), self.memory.length, Advice::LinuxDontNeed)
        };
        debug_assert!(released.is_ok(), "{released:?}");
    }

    /// Returns how many octets of the rings' pages the kernel holds.
    pub(crate) fn resident(&self) -> usize {
        let page = rustix::param::page_size();
        let mut pages = vec![0_u8; self.memory.length.div_ceil(page)];
        // SAFETY: there is one octet to be written for each page of the mapping.
        let told = unsafe {
            libc::mincore(self.memory.start.as_ptr(), self.memory.length, pages.as_mut_ptr().cast())
        };
        let held = pages.iter().filter(|page| **page & 1 == 1).count();
        if told < 0 { 0 } else { held * page }
    }
}

/// Whole pages that nobody else has; they read as zero until they are written.
struct Memory {
    start: NonNull<c_void>,
    length: usize,
}

// SAFETY: it is memory, which does not care who writes to it; there is one owner at a time.
unsafe impl Send for Memory {}

impl Memory {
    fn new(length: usize) -> io::Result<Self> {
        // SAFETY: the kernel chooses a place where nothing is.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )?
        };
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        // A page of 2 MiB for the first octet would be the rings of many; a kernel without such pages refuses.
        // SAFETY: this says how the mapping is to be kept, and changes nothing in it.
        let _ = unsafe { rustix::mm::madvise(start.as_ptr(), length, Advice::LinuxNoHugepage) };
        Ok(Self { start, length })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's, and the references into it, its socket's, are gone.
        let unmapped = unsafe { rustix::mm::munmap(self.start.as_ptr(), self.length) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_released_is_gone_and_what_was_not_touched_costs_nothing() {
        let page = rustix::param::page_size();
        let mut mapped = Mapped::new(8 * page).unwrap();
        assert_eq!(mapped.resident(), 0, "nothing was written yet");
        // SAFETY: the ninth page is the send ring's first; no reference to it is in use.
        unsafe { mapped.memory.start.cast::<u8>().add(8 * page).write(7) };
        assert_eq!(mapped.resident(), page);
        mapped.release();
        assert_eq!(mapped.resident(), 0);
        // SAFETY: as above.
        assert_eq!(unsafe { mapped.memory.start.cast::<u8>().add(8 * page).read() }, 0);
    }
}
