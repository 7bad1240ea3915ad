//! What no safe crate offers: the ioctls that set an interface up, signals as a file descriptor, fork, and memory that
//! the kernel can have back.
//!
//! ```
//! assert!(sockhop_hosted::os::exists("lo"));
//! assert!(!sockhop_hosted::os::exists("no-such-device"));
//! ```
#![expect(
    unsafe_code,
    reason = "ioctl, signalfd, fork and mmap have no safe wrapper; each call says why it is sound"
)]

mod mapped;

pub(crate) use mapped::Mapped;

use core::mem;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::panic::AssertUnwindSafe;
use sockhop::tcp::State;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::panic::catch_unwind;

const NAME: usize = libc::IFNAMSIZ;
/// The first descriptor that is no standard stream.
const FIRST: libc::c_int = 3;

/// `struct in6_ifreq` of the kernel's `linux/ipv6.h`.
#[repr(C)]
struct In6Request {
    address: [u8; 16],
    prefix: u32,
    index: libc::c_int,
}

/// Returns an empty request for this interface.
fn request(name: &str) -> io::Result<libc::ifreq> {
    if name.is_empty() || name.len() >= NAME {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: ifreq is plain data for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (place, octet) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = libc::c_char::from_ne_bytes([octet]);
    }
    Ok(request)
}

fn socket(family: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: no pointer is passed; the descriptor is new and owned by nobody else.
    unsafe {
        let fd = libc::socket(family, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
}

fn ioctl<T>(fd: &OwnedFd, call: libc::c_ulong, argument: &mut T) -> io::Result<()> {
    // SAFETY: each caller passes the struct that the kernel's documentation names for the call, alive and exclusive.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), call as _, core::ptr::from_mut(argument)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn ipv4(ip: Ipv4Addr) -> libc::sockaddr {
    let mut address = libc::sockaddr { sa_family: libc::AF_INET as _, sa_data: [0; 14] };
    for (place, octet) in address.sa_data[2..6].iter_mut().zip(ip.octets()) {
        *place = libc::c_char::from_ne_bytes([octet]);
    }
    address
}

/// Gives an interface an address with a prefix length.
///
/// # Errors
/// The kernel's, with its error number.
pub fn add_address(name: &str, ip: IpAddr, prefix: u8) -> io::Result<()> {
    let mut request = request(name)?;
    match ip {
        IpAddr::V4(ip) => {
            let fd = socket(libc::AF_INET)?;
            request.ifr_ifru.ifru_addr = ipv4(ip);
            ioctl(&fd, libc::SIOCSIFADDR as _, &mut request)?;
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            request.ifr_ifru.ifru_netmask = ipv4(Ipv4Addr::from_bits(mask));
            ioctl(&fd, libc::SIOCSIFNETMASK as _, &mut request)
        }
        IpAddr::V6(ip) => add_ipv6(request, ip, prefix),
    }
}

fn add_ipv6(mut request: libc::ifreq, ip: Ipv6Addr, prefix: u8) -> io::Result<()> {
    let fd = socket(libc::AF_INET6)?;
    ioctl(&fd, libc::SIOCGIFINDEX as _, &mut request)?;
    // SAFETY: SIOCGIFINDEX has written this member of the union.
    let index = unsafe { request.ifr_ifru.ifru_ifindex };
    let mut address = In6Request { address: ip.octets(), prefix: prefix.into(), index };
    ioctl(&fd, libc::SIOCSIFADDR as _, &mut address)
}

/// Sets an interface's MTU and the length of its queue, and sets it up.
///
/// # Errors
/// The kernel's, with its error number.
pub fn set_up(name: &str, mtu: u16, queue: i32) -> io::Result<()> {
    let fd = socket(libc::AF_INET)?;
    let mut request = request(name)?;
    request.ifr_ifru.ifru_mtu = mtu.into();
    ioctl(&fd, libc::SIOCSIFMTU as _, &mut request)?;
    request.ifr_ifru.ifru_metric = queue;
    ioctl(&fd, libc::SIOCSIFTXQLEN as _, &mut request)?;
    ioctl(&fd, libc::SIOCGIFFLAGS as _, &mut request)?;
    // SAFETY: SIOCGIFFLAGS has written this member of the union.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    request.ifr_ifru.ifru_flags = flags | libc::IFF_UP as libc::c_short;
    ioctl(&fd, libc::SIOCSIFFLAGS as _, &mut request)
}

/// Returns the name that this host's resolver has for an address; the call takes as long as that does.
///
/// # Errors
/// The resolver's, as a sentence; one is that there is no name.
pub fn name_of(ip: IpAddr) -> Result<String, String> {
    let mut name = [0_u8; libc::NI_MAXHOST as usize];
    let mut look_up = |address: *const libc::sockaddr, length: usize| {
        let length = libc::socklen_t::try_from(length).unwrap_or(0);
        let room = libc::socklen_t::try_from(name.len()).unwrap_or(0);
        let flags = libc::NI_NAMEREQD;
        // SAFETY: both callers pass an address that outlives the call, with its size; the room is as long as is said.
        unsafe {
            libc::getnameinfo(
                address,
                length,
                name.as_mut_ptr().cast(),
                room,
                core::ptr::null_mut(),
                0,
                flags,
            )
        }
    };
    // SAFETY: of both addresses all zeroes is a value.
    let (mut four, mut six): (libc::sockaddr_in, libc::sockaddr_in6) = unsafe { mem::zeroed() };
    let failed = match ip {
        IpAddr::V4(ip) => {
            four.sin_family = libc::AF_INET as _;
            four.sin_addr.s_addr = u32::from_ne_bytes(ip.octets());
            look_up((&raw const four).cast(), size_of_val(&four))
        }
        IpAddr::V6(ip) => {
            six.sin6_family = libc::AF_INET6 as _;
            six.sin6_addr.s6_addr = ip.octets();
            look_up((&raw const six).cast(), size_of_val(&six))
        }
    };
    if failed != 0 {
        // SAFETY: every code has a text that lives as long as the program.
        let why = unsafe { core::ffi::CStr::from_ptr(libc::gai_strerror(failed)) };
        return Err(format!("{ip}: {}", why.to_string_lossy()));
    }
    let end = name.iter().position(|octet| *octet == 0).unwrap_or(name.len());
    Ok(String::from_utf8_lossy(&name[..end]).into_owned())
}

/// Makes reads and writes of a descriptor return at once.
///
/// # Errors
/// The kernel's, with its error number.
pub fn never_wait(fd: &impl AsRawFd) -> io::Result<()> {
    let mut yes: libc::c_int = 1;
    // SAFETY: FIONBIO takes a pointer to an int, which lives until the call returns.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONBIO, &raw mut yes) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What a descriptor of a TUN device is to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunKind {
    /// Whether the kernel computes checksums and cuts segments, as a header in front of each packet says.
    pub offload: bool,
    /// Whether it is one of several queues: each call with the device's name then returns another one.
    pub several: bool,
}

/// Opens a TUN device, or one more queue of it, and returns it with its name; reads and writes of it return at once.
///
/// # Errors
/// The kernel's, with its error number; `EINVAL` if it has no offloads.
pub fn open_tun(name: &str, kind: TunKind) -> io::Result<(OwnedFd, String)> {
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
    let fd = rustix::fs::open("/dev/net/tun", flags, rustix::fs::Mode::empty())?;
    let mut request = request(name)?;
    let mut wanted = libc::IFF_TUN | libc::IFF_NO_PI;
    if kind.offload {
        wanted |= libc::IFF_VNET_HDR;
    }
    if kind.several {
        wanted |= libc::IFF_MULTI_QUEUE;
    }
    request.ifr_ifru.ifru_flags = wanted as libc::c_short;
    ioctl(&fd, libc::TUNSETIFF as _, &mut request)?;
    let offloads = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
    // SAFETY: TUNSETOFFLOAD takes a number and no pointer.
    let set =
        || unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETOFFLOAD as _, libc::c_ulong::from(offloads)) };
    if kind.offload && set() < 0 {
        return Err(io::Error::last_os_error());
    }
    let letters = request
        .ifr_name
        .iter()
        .take_while(|letter| **letter != 0)
        .map(|letter| u8::from_ne_bytes(letter.to_ne_bytes()));
    Ok((fd, String::from_utf8_lossy(&letters.collect::<Vec<u8>>()).into_owned()))
}

/// Returns whether an interface of this name exists.
pub fn exists(name: &str) -> bool {
    let found = request(name)
        .and_then(|mut request| ioctl(&socket(libc::AF_INET)?, libc::SIOCGIFFLAGS as _, &mut request));
    found.is_ok()
}

/// Has what outgrows its place, such as a table that doubles, go back to the kernel whole.
///
/// glibc would raise its threshold with each mapping that is freed, and then keep holes of that size among what lives.
pub fn map_large_tables() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two numbers and is called before other threads allocate in earnest.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 8 * 1_024);
    }
}

/// What the kernel tells of one of its connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Where it stands.
    pub state: State,
    /// How often its timer ran out without an answer.
    pub backoff: u8,
    /// How often a closed window was probed without an answer.
    pub probes: u8,
    /// Octets that were not read.
    pub unread: u64,
    /// Octets that the peer has not acknowledged, sent or not.
    pub queued: u64,
    /// Those of them that were sent.
    pub in_flight: u64,
    /// Segments sent again.
    pub again: u32,
    /// Octets that the peer has acknowledged.
    pub acknowledged: u64,
    /// Octets that came in order.
    pub received: u64,
    /// The window that the peer grants, from Linux 5.4.
    pub their_window: Option<u32>,
    /// The window that the host advertises, from Linux 6.2.
    pub our_window: Option<u32>,
}

/// Returns what the kernel tells of a connection of this process.
///
/// # Errors
/// The kernel's.
pub fn tcp_info(socket: &impl AsRawFd) -> io::Result<Seen> {
    let fd = socket.as_raw_fd();
    let mut record = [0_u8; 240];
    let mut length = libc::socklen_t::try_from(record.len()).unwrap_or(0);
    // SAFETY: the kernel writes at most `length` octets to the array and says how many it wrote.
    let result = unsafe {
        let place = record.as_mut_ptr().cast();
        libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, place, &raw mut length)
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // The record is `struct tcp_info` of `linux/tcp.h`, which only ever grows at its end.
    let told = record.get(..length as usize).unwrap_or(&record);
    let octet = |at: usize| told.get(at).copied().unwrap_or(0);
    let word = |at: usize| Some(u32::from_ne_bytes(told.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_ne_bytes(told.get(at..at + 8)?.try_into().ok()?));
    let queued = asked(fd, libc::TIOCOUTQ as _)?;
    // SIOCOUTQNSD, which libc does not name.
    let unsent = asked(fd, 0x894b)?;
    Ok(Seen {
        state: kernel_state(octet(0)),
        probes: octet(3),
        backoff: octet(4),
        unread: asked(fd, libc::FIONREAD as _)?,
        queued,
        in_flight: queued.saturating_sub(unsent),
        again: word(100).unwrap_or(0),
        acknowledged: long(120).unwrap_or(0),
        received: long(128).unwrap_or(0),
        their_window: word(228),
        our_window: word(232),
    })
}

/// Asks for a number about a socket.
fn asked(fd: RawFd, call: libc::c_ulong) -> io::Result<u64> {
    let mut number: libc::c_int = 0;
    // SAFETY: each of the calls takes a pointer to an int, which lives until the call returns.
    let result = unsafe { libc::ioctl(fd, call as _, &raw mut number) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(u64::try_from(number).unwrap_or(0)) }
}

/// Returns the state with this number of the kernel's (`net/tcp_states.h`).
const fn kernel_state(number: u8) -> State {
    match number {
        1 => State::Established,
        2 => State::SynSent,
        3 | 12 => State::SynReceived,
        4 => State::FinWait1,
        5 => State::FinWait2,
        6 => State::TimeWait,
        8 => State::CloseWait,
        9 => State::LastAck,
        10 => State::Listen,
        11 => State::Closing,
        _ => State::Closed,
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To stop: SIGINT.
    Stop,
    /// To stop once what stands has ended: SIGTERM.
    Drain,
    /// To read the configuration again: SIGHUP.
    Reload,
}

/// SIGINT, SIGTERM and SIGHUP as something to wait for together with sockets.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Blocks the three signals for this thread and those it starts, and returns where they can be read.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new() -> io::Result<Self> {
        // SAFETY: the set is plain data, initialised by sigemptyset; the descriptor is new.
        unsafe {
            let mut set: libc::sigset_t = mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, libc::SIGINT);
            libc::sigaddset(&raw mut set, libc::SIGTERM);
            libc::sigaddset(&raw mut set, libc::SIGHUP);
            if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, core::ptr::null_mut()) < 0 {
                return Err(io::Error::last_os_error());
            }
            let fd = libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC);
            if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(Self(OwnedFd::from_raw_fd(fd))) }
        }
    }

    /// Returns what the next signal asks for, if one has come.
    pub fn take(&self) -> Option<Asked> {
        let mut record = [0; size_of::<libc::signalfd_siginfo>()];
        match rustix::io::read(&self.0, &mut record[..]) {
            // The record begins with the signal's number.
            Ok(4..) => {
                let number = u32::from_ne_bytes([record[0], record[1], record[2], record[3]]);
                Some(match number.cast_signed() {
                    libc::SIGHUP => Asked::Reload,
                    libc::SIGTERM => Asked::Drain,
                    _ => Asked::Stop,
                })
            }
            Ok(_) | Err(_) => None,
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Starts a process that shares nothing with this one but `kept`, does `work` with it, and ends without a word.
///
/// Descriptors other than `kept`, standard streams included, are closed in it, so that it holds nothing open.
///
/// # Errors
/// The kernel's, or `EBUSY` when this process has threads already: what they hold locked would stay so in the child.
pub fn split_off(kept: OwnedFd, work: impl FnOnce(OwnedFd)) -> io::Result<()> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    // SAFETY: there is one thread, so the child finds no lock taken and may do whatever this process may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // Its memory is a copy: unwinding must not reach what belongs to the parent.
            let _ = catch_unwind(AssertUnwindSafe(|| alone(kept).map(work)));
            // SAFETY: ends the process without running what the parent has left to be done at its end.
            unsafe { libc::_exit(0) }
        }
        _ => Ok(()),
    }
}

/// Closes everything but one descriptor, which is returned, blocks all signals, and turns the standard streams away.
fn alone(kept: OwnedFd) -> io::Result<OwnedFd> {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    drop(null);
    // SAFETY: the set is plain data, initialised by sigfillset. The descriptors that are closed belong to values of the
    // parent's, of which this copy is never used or dropped; `kept` is given away in exchange for its duplicate.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, core::ptr::null_mut());
        if libc::dup3(kept.as_raw_fd(), FIRST, libc::O_CLOEXEC) < 0 && kept.as_raw_fd() != FIRST {
            return Err(io::Error::last_os_error());
        }
        mem::forget(kept);
        libc::close_range(FIRST.cast_unsigned() + 1, libc::c_uint::MAX, 0);
        Ok(OwnedFd::from_raw_fd(FIRST))
    }
}
