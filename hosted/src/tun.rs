//! A TUN device: opened, given its addresses, and gone when it is dropped.
//!
//! ```no_run
//! use sockhop_hosted::tun::{Config, Tun};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let host = ("198.18.0.1".parse()?, 30);
//! let mut tun = Tun::open(&Config { name: None, addresses: vec![host], mtu: 65_520 })?; // as root
//! let mut packet = vec![0; 65_536];
//! let length = tun.recv(&mut packet)?;
//! println!("{}: {length} octets", tun.name());
//! # Ok(())
//! # } // the device is gone
//! ```

use crate::engine::Wire;
use crate::os;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use tun_tap::{Iface, Mode};

/// Packets that the kernel holds for us before it drops some.
const QUEUE: i32 = 4_096;

/// What a device is to be like.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name; the kernel chooses one when there is none.
    pub name: Option<String>,
    /// The host's addresses on it with their prefix lengths.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The largest packet, in octets.
    pub mtu: u16,
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

/// A TUN device that belongs to this process and goes with it.
pub struct Tun {
    device: Iface,
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
        let device =
            Iface::without_packet_info(wanted, Mode::Tun).map_err(|error| match error.raw_os_error() {
                Some(libc::EPERM | libc::EACCES) => Error::Permission,
                Some(libc::EBUSY | libc::EINVAL | libc::EEXIST) => Error::Name(wanted.to_owned(), error),
                _ => Error::Host("opening /dev/net/tun", error),
            })?;
        os::never_wait(&device).map_err(|error| Error::Host("making the TUN non-blocking", error))?;
        let name = device.name().to_owned();
        os::set_up(&name, config.mtu, QUEUE).map_err(|error| match error.raw_os_error() {
            Some(libc::EPERM) => Error::Permission,
            _ => Error::Host("setting the TUN up", error),
        })?;
        for &(ip, prefix) in &config.addresses {
            os::add_address(&name, ip, prefix).map_err(|error| Error::Address(ip, error))?;
        }
        Ok(Self { device, dropped: 0 })
    }

    /// Returns the interface's name.
    pub fn name(&self) -> &str {
        self.device.name()
    }

    /// Reads one packet.
    ///
    /// # Errors
    /// `WouldBlock` while there is none.
    pub fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.device.recv(into)
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

/// Refuses an address that a route other than the default one leads to.
fn refuse_overlap(ip: IpAddr, prefix: u8) -> Result<(), Error> {
    let file = if ip.is_ipv4() { "/proc/net/route" } else { "/proc/net/ipv6_route" };
    let table = std::fs::read_to_string(file).unwrap_or_default();
    let overlap = match ip {
        IpAddr::V4(ip) => table
            .lines()
            .skip(1)
            .filter_map(route4)
            .find(|(net, length, _)| {
                let shorter = u32::MAX.checked_shl(32 - u32::from((*length).min(prefix))).unwrap_or(0);
                *length > 0 && (net.to_bits() ^ ip.to_bits()) & shorter == 0
            })
            .map(|(net, length, interface)| (format!("{net}/{length}"), interface)),
        IpAddr::V6(ip) => table
            .lines()
            .filter_map(route6)
            .find(|(net, length, _)| {
                let shorter = u128::MAX.checked_shl(128 - u32::from((*length).min(prefix))).unwrap_or(0);
                *length > 0 && (net.to_bits() ^ ip.to_bits()) & shorter == 0
            })
            .map(|(net, length, interface)| (format!("{net}/{length}"), interface)),
    };
    overlap.map_or(Ok(()), |(route, interface)| Err(Error::Route(ip, route, interface)))
}

/// Reads a line of /proc/net/route: network, prefix length and interface.
fn route4(line: &str) -> Option<(Ipv4Addr, u8, String)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let number = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok().map(u32::swap_bytes);
    let length = u8::try_from(number(7)?.count_ones()).ok()?;
    Some((Ipv4Addr::from_bits(number(1)?), length, (*fields.first()?).to_owned()))
}

/// Reads a line of /proc/net/ipv6_route; routes of the loopback interface are local addresses, not routes.
fn route6(line: &str) -> Option<(core::net::Ipv6Addr, u8, String)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let net = u128::from_str_radix(fields.first()?, 16).ok()?;
    let length = u8::from_str_radix(fields.get(1)?, 16).ok()?;
    let interface = (*fields.last()?).to_owned();
    (interface != "lo").then_some((net.into(), length, interface))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernels_route_table_is_read() {
        let line = "eth0\t000212C6\t00000000\t0001\t0\t0\t0\tFCFFFFFF\t0\t0\t0";
        assert_eq!(route4(line), Some((Ipv4Addr::new(198, 18, 2, 0), 30, "eth0".to_owned())));
        let line = "fd000000000000000000000000000000 7e 0 00 0 0 1 0 0 00000001 tun3";
        assert_eq!(route6(line), Some(("fd00::".parse().unwrap(), 126, "tun3".to_owned())));
        assert_eq!(route4("garbage"), None);
    }

    #[test]
    fn every_error_names_the_way_out() {
        assert!(Error::Missing.to_string().contains("modprobe tun"));
        assert!(Error::Permission.to_string().contains("sudo"));
        let taken = Error::Name("tun7".to_owned(), io::Error::from_raw_os_error(libc::EBUSY)).to_string();
        assert!(taken.contains("tun7") && taken.contains("--tun NAME"));
    }
}
