//! A virtio network card over MMIO, with one frame under way in each direction (Virtual I/O Device 1.2, §2.7, §4.2, §5.1).
//!
//! A ring of two frames in, which the card fills while the other is read, and one frame out, which is waited for: this
//! is the least that works, and enough where the other side of the ring is a processor as well.

use crate::register::Register;
use core::sync::atomic::{Ordering, fence};
use sockhop::node::{FRAME, Nic};

/// Registers (§4.2.2).
const MAGIC: u32 = 0x7472_6976;
const NETWORK: u32 = 1;
/// Device status (§2.1).
const ACKNOWLEDGE: u32 = 1;
const DRIVER: u32 = 2;
const DRIVER_OK: u32 = 4;
const FEATURES_OK: u32 = 8;
/// The features taken: the card tells its address (§5.1.3), and is not a legacy one (§6).
const VIRTIO_NET_F_MAC: u32 = 1 << 5;
const VIRTIO_F_VERSION_1: u32 = 1;
/// A descriptor that the card writes (§2.7.5).
const WRITE: u16 = 2;
/// Octets of the header in front of each frame (§5.1.6).
const HEADER: usize = 12;
/// Descriptors in each queue.
const QUEUE: usize = 2;

/// §2.7.5: where a buffer stands.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Descriptor {
    address: u64,
    length: u32,
    flags: u16,
    next: u16,
}

/// §2.7.6: which buffers the card may use.
#[repr(C)]
#[derive(Default)]
struct Available {
    flags: u16,
    index: u16,
    ring: [u16; QUEUE],
}

/// §2.7.8: which it has used.
#[repr(C, align(4))]
#[derive(Default)]
struct Used {
    flags: u16,
    index: u16,
    ring: [(u32, u32); QUEUE],
}

/// One queue and its buffers.
#[repr(C, align(16))]
struct Queue {
    descriptors: [Descriptor; QUEUE],
    available: Available,
    used: Used,
    buffers: [[u8; HEADER + FRAME]; QUEUE],
}

impl Queue {
    const fn new() -> Self {
        let nowhere = Descriptor { address: 0, length: 0, flags: 0, next: 0 };
        Self {
            descriptors: [nowhere; QUEUE],
            available: Available { flags: 0, index: 0, ring: [0; QUEUE] },
            used: Used { flags: 0, index: 0, ring: [(0, 0); QUEUE] },
            buffers: [[0; HEADER + FRAME]; QUEUE],
        }
    }
}

/// Two queues, which the card reads and writes at any time: all access is volatile and by pointers.
static mut QUEUES: [Queue; 2] = [Queue::new(), Queue::new()];

/// The card.
pub struct Virtio {
    base: usize,
    address: [u8; 6],
    /// How many buffers of each queue the card was seen to have used.
    seen: [u16; 2],
}

impl Virtio {
    /// Switches on the network card at `base`, if one is there.
    ///
    /// # Safety
    /// A place for a virtio device is there, and nobody else drives it; it is called once with success.
    pub unsafe fn new(base: usize) -> Option<Self> {
        // SAFETY: the caller promises it.
        let register = |offset| unsafe { Register::at(base, offset) };
        let (magic, version, kind) = (register(0x000), register(0x004), register(0x008));
        if (magic.read(), version.read(), kind.read()) != (MAGIC, 2, NETWORK) {
            return None;
        }
        let status = register(0x070);
        status.write(0);
        status.write(ACKNOWLEDGE | DRIVER);
        for (select, bits) in [(0, VIRTIO_NET_F_MAC), (1, VIRTIO_F_VERSION_1)] {
            register(0x024).write(select);
            register(0x020).write(bits);
        }
        status.write(ACKNOWLEDGE | DRIVER | FEATURES_OK);
        if status.read() & FEATURES_OK == 0 {
            return None;
        }
        let mut card = Self { base, address: [0; 6], seen: [0; 2] };
        for at in 0..card.address.len() {
            // SAFETY: the configuration of the card begins here with its address (§5.1.4).
            card.address[at] = unsafe { ((base + 0x100 + at) as *const u8).read_volatile() };
        }
        (0..2).for_each(|index| card.begin(index));
        status.write(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        (0..2).for_each(|buffer| card.offer(0, buffer, HEADER + FRAME));
        Some(card)
    }

    fn register(&self, offset: usize) -> Register {
        // SAFETY: whoever made the card has promised it.
        unsafe { Register::at(self.base, offset) }
    }

    fn queue(index: u32) -> *mut Queue {
        // SAFETY: only the address is taken; there are two queues, and the index is 0 or 1.
        unsafe { (&raw mut QUEUES).cast::<Queue>().add(index as usize & 1) }
    }

    /// Tells the card where a queue stands (§4.2.3.2).
    fn begin(&mut self, index: u32) {
        let queue = Self::queue(index);
        self.register(0x030).write(index);
        self.register(0x038).write(QUEUE as u32);
        // SAFETY: only addresses of a static's parts are taken.
        let parts = unsafe {
            [
                (0x080, (&raw mut (*queue).descriptors) as usize),
                (0x090, (&raw mut (*queue).available) as usize),
                (0x0a0, (&raw mut (*queue).used) as usize),
            ]
        };
        for (offset, part) in parts {
            self.register(offset).write(part as u32);
            self.register(offset + 4).write(0);
        }
        self.register(0x044).write(1);
    }

    /// Lets the card use a buffer (§2.7.13).
    fn offer(&mut self, index: u32, buffer: u16, length: usize) {
        let queue = Self::queue(index);
        let place = usize::from(buffer);
        // SAFETY: the buffer is not the card's at present, and the descriptor and ring belong to the driver.
        unsafe {
            let address = (&raw mut (*queue).buffers[place]) as u64;
            let flags = if index == 0 { WRITE } else { 0 };
            let descriptor = Descriptor { address, length: length as u32, flags, next: 0 };
            (&raw mut (*queue).descriptors[place]).write_volatile(descriptor);
            let next = (&raw mut (*queue).available.index).read_volatile();
            (&raw mut (*queue).available.ring[usize::from(next) % QUEUE]).write_volatile(buffer);
            fence(Ordering::SeqCst);
            (&raw mut (*queue).available.index).write_volatile(next.wrapping_add(1));
        }
        fence(Ordering::SeqCst);
        self.register(0x050).write(index);
    }

    /// Returns a buffer that the card has used, and the octets in it (§2.7.14).
    fn take(&mut self, index: u32) -> Option<(u16, usize)> {
        let queue = Self::queue(index);
        let seen = &mut self.seen[index as usize & 1];
        // SAFETY: the card writes these, so they are read as volatile.
        let used = unsafe { (&raw const (*queue).used.index).read_volatile() };
        if used == *seen {
            return None;
        }
        fence(Ordering::SeqCst);
        let place = usize::from(*seen) % QUEUE;
        *seen = seen.wrapping_add(1);
        // SAFETY: as above.
        let (buffer, length) = unsafe { (&raw const (*queue).used.ring[place]).read_volatile() };
        Some(((buffer as u16) & 1, length as usize))
    }
}

impl Nic for Virtio {
    fn address(&self) -> Option<[u8; 6]> {
        Some(self.address)
    }

    fn receive(&mut self, into: &mut [u8]) -> Option<usize> {
        let (buffer, length) = self.take(0)?;
        // SAFETY: the card has given the buffer back.
        let frame = unsafe { &(&(*Self::queue(0)).buffers)[usize::from(buffer)] };
        let frame = frame.get(HEADER..length).filter(|frame| frame.len() <= into.len());
        let taken = frame.map(|frame| {
            into[..frame.len()].copy_from_slice(frame);
            frame.len()
        });
        self.offer(0, buffer, HEADER + FRAME);
        taken
    }

    fn transmit(&mut self, frame: &[u8]) {
        if frame.len() > FRAME {
            return;
        }
        // SAFETY: the card has given the only buffer that is used back, below.
        let place = unsafe { &mut (&mut (*Self::queue(1)).buffers)[0] };
        place[..HEADER].fill(0);
        place[HEADER..][..frame.len()].copy_from_slice(frame);
        self.offer(1, 0, HEADER + frame.len());
        while self.take(1).is_none() {
            core::hint::spin_loop();
        }
    }
}
