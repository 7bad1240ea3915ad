//! A TUN device: opened, given its addresses, and gone when it is dropped.
//!
//! With offloads, which are on unless the kernel lacks them or nobody wants them, a packet may be a segment of up to 64 KiB
//! and lack its checksum, in both directions; a header in front of it says what is left to be done.
//!
//! ```no_run
//! use sockhop::time::Instant;
//! use sockhop_hosted::engine::{self, Engine};
//! use sockhop_hosted::tun::{Config, LONGEST, Tun};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let host = ("198.18.0.1".parse()?, 30);
//! let mut tun = Tun::open(&Config { name: None, addresses: vec![host], mtu: 65_520, offload: true })?; // as root
//! let mut config = engine::Config::new(vec![("198.18.0.2".parse()?, 30)], 65_520, [1, 2]);
//! config.offload = true;
//! let mut engine = Engine::new(config, ());
//! tun.receive(Instant::ZERO, &mut engine, &mut vec![0; LONGEST])?; // and it has answered
//! println!("{} has {}", tun.name(), tun.offload());
//! # Ok(())
//! # } // the device is gone
//! ```

mod device;
mod routes;
pub mod vnet;

pub use device::Offload;

use crate::engine::{Engine, Wire};
use crate::os;
use core::fmt;
use core::net::IpAddr;
use device::Device;
use routes::refuse_overlap;
use sockhop::time::Instant;
use sockhop::trace::Sink;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;

/// Packets that the kernel holds for us before it drops some.
const QUEUE: i32 = 4_096;
/// Packets that are read in one round.
const BATCH: usize = 64;
/// The octets of the longest packet.
pub const LONGEST: usize = 65_536;

/// What a device is to be like.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name; the kernel chooses one when there is none.
    pub name: Option<String>,
    /// The host's addresses on it with their prefix lengths.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The largest packet, in octets.
    pub mtu: u16,
    /// Whether the kernel is asked to cut segments and to compute checksums.
    pub offload: bool,
}

/// Why there is no device, and what to do about it.
#[derive(Debug)]
pub enum Error {
    /// There is no /dev/net/tun.
    Missing,
    /// The program may not open it or set it up.
    Permission,
    /// The name is taken, or no name an interface can have.
    Name(String, io::Error),
    /// A route to some of the addresses exists already: the address, the route, and its interface.
    Route(IpAddr, String, String),
    /// An address could not be set.
    Address(IpAddr, io::Error),
    /// Anything else of the host's.
    Host(&'static str, io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str(
                "/dev/net/tun is missing: load it with `sudo modprobe tun`, or in a container pass \
                 `--device /dev/net/tun --cap-add NET_ADMIN`",
            ),
            Self::Permission => f.write_str(
                "opening a TUN device needs root: run it again with `sudo`; `tun-demo lab` needs neither root nor a TUN",
            ),
            Self::Name(name, error) => write!(
                f,
                "the TUN name {name:?} cannot be used ({error}): choose another one with `--tun NAME`, at most 15 letters"
            ),
            Self::Route(ip, route, interface) => write!(
                f,
                "{ip} lies in {route}, which {interface} has a route to: choose other addresses with `--addr` or `--addr6`"
            ),
            Self::Address(ip, error) if ip.is_ipv6() => {
                write!(f, "the address {ip} could not be set ({error}): leave IPv6 out with `--addr6 none`")
            }
            Self::Address(ip, error) => write!(f, "the address {ip} could not be set ({error})"),
            Self::Host(what, error) => write!(f, "{what} failed: {error}"),
        }
    }
}

impl core::error::Error for Error {}

/// A TUN device, or one of its queues, that belongs to this process and goes with it.
pub struct Tun {
    device: Device,
    dropped: u64,
}

impl fmt::Debug for Tun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tun").field("name", &self.device.name()).field("dropped", &self.dropped).finish()
    }
}

impl Tun {
    /// Opens a device and sets it up.
    ///
    /// # Errors
    /// [`Error`], whose text names the value at fault and the way out; nothing is left behind.
    pub fn open(config: &Config) -> Result<Self, Error> {
        let device = Self::make(config, false)?;
        Self::finish(device, config)
    }

    /// Opens a device with `count` queues and sets it up: the kernel deals what it sends by its tuple, and sends a
    /// connection's packets to the queue that last sent one of them.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_queues(config: &Config, count: usize) -> Result<Vec<Self>, Error> {
        if count <= 1 {
            return Ok(vec![Self::open(config)?]);
        }
        let mut devices = vec![Self::make(config, true)?];
        let (name, offload) = (devices[0].name().to_owned(), devices[0].offload() != Offload::None);
        while devices.len() < count {
            let next = Device::open(&name, offload, true);
            devices.push(next.map_err(|error| Error::Host("opening another queue of the TUN", error))?);
        }
        // A queue is as long as the device says when it is set up, so they are all there before.
        let mut queues = Vec::with_capacity(count);
        for device in devices {
            queues.push(if queues.is_empty() {
                Self::finish(device, config)?
            } else {
                Self::of(device, config)
            });
        }
        Ok(queues)
    }

    /// Makes the device of this name, which nobody else has.
    fn make(config: &Config, several: bool) -> Result<Device, Error> {
        if !Path::new("/dev/net/tun").exists() {
            return Err(Error::Missing);
        }
        for &(ip, prefix) in &config.addresses {
            refuse_overlap(ip, prefix)?;
        }
        let wanted = config.name.as_deref().unwrap_or("tun%d");
        if config.name.as_deref().is_some_and(|name| !is_name(name)) {
            return Err(Error::Name(wanted.to_owned(), io::Error::from(io::ErrorKind::InvalidInput)));
        }
        if os::exists(wanted) {
            return Err(Error::Name(wanted.to_owned(), io::Error::from(io::ErrorKind::AlreadyExists)));
        }
        Device::open(wanted, config.offload, several).map_err(|error| match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Error::Permission,
            Some(libc::EBUSY | libc::EINVAL | libc::EEXIST) => Error::Name(wanted.to_owned(), error),
            _ => Error::Host("opening /dev/net/tun", error),
        })
    }

    /// Sets a device up and gives it its addresses.
    fn finish(device: Device, config: &Config) -> Result<Self, Error> {
        let name = device.name();
        os::set_up(name, config.mtu, QUEUE).map_err(|error| match error.raw_os_error() {
            Some(libc::EPERM) => Error::Permission,
            _ => Error::Host("setting the TUN up", error),
        })?;
        for &(ip, prefix) in &config.addresses {
            os::add_address(name, ip, prefix).map_err(|error| Error::Address(ip, error))?;
        }
        Ok(Self::of(device, config))
    }

    /// Makes a queue of a descriptor whose device is set up.
    fn of(mut device: Device, config: &Config) -> Self {
        device.probe(config.addresses.first().map(|(ip, _)| *ip));
        Self { device, dropped: 0 }
    }

    /// Returns the interface's name.
    pub fn name(&self) -> &str {
        self.device.name()
    }

    /// Returns what the kernel does for the stack; it may turn out to do less than it promised.
    pub const fn offload(&self) -> Offload {
        self.device.offload()
    }

    /// Hands an engine what has come, a batch at most, and returns whether there may be more.
    ///
    /// `room` holds [`LONGEST`] octets.
    ///
    /// # Errors
    /// The host's.
    pub fn receive<S: Sink>(
        &mut self,
        now: Instant,
        engine: &mut Engine<S>,
        room: &mut [u8],
    ) -> io::Result<bool> {
        for _ in 0..BATCH {
            match self.device.recv(room) {
                Ok((count, true)) => engine.ingress_verified(now, &mut room[..count], self),
                Ok((count, false)) => engine.ingress(now, &mut room[..count], self),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::EBADFD) => {
                    let text = format!("somebody has removed {} while it was used: start again", self.name());
                    return Err(io::Error::new(error.kind(), text));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Returns how many packets the kernel did not take.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Wire for Tun {
    fn transmit(&mut self, packet: &[u8]) {
        if self.device.send(packet).is_err() {
            self.dropped += 1;
        }
    }

    fn transmit_segment(&mut self, segment: &mut [u8], headers: usize, most: usize) {
        self.dropped += self.device.send_segment(segment, headers, most);
    }
}

impl AsRawFd for Tun {
    fn as_raw_fd(&self) -> RawFd {
        self.device.as_raw_fd()
    }
}

/// Returns whether an interface can have this name: 1 to 15 visible letters, none of which the kernel reads
/// as something else.
fn is_name(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_graphic() && !matches!(letter, '/' | ':' | '%');
    (1..=15).contains(&name.len()) && name.chars().all(plain) && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_names_the_way_out() {
        assert!(Error::Missing.to_string().contains("modprobe tun"));
        assert!(Error::Permission.to_string().contains("sudo"));
        let taken = Error::Name("tun7".to_owned(), io::Error::from_raw_os_error(libc::EBUSY)).to_string();
        assert!(taken.contains("tun7") && taken.contains("--tun NAME"));
    }
}
