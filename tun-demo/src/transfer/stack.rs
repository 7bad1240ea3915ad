//! A stack behind a TUN device, for one service.

use super::flags::Stack;
use super::meter::Meter;
use crate::args::host_of;
use crate::exit::{FAILED, Failure, USAGE};
use crate::printer::Page;
use core::net::IpAddr;
use sockhop_hosted::engine::{self, Engine};
use sockhop_hosted::os;
use sockhop_hosted::tun::{self, Tun};

/// Opens a TUN device and puts a stack behind it.
pub(crate) fn open(flags: &Stack) -> Result<(Tun, Engine<Meter>), Failure> {
    let mut seed = [0; 16];
    getrandom::fill(&mut seed).map_err(|error| Failure::new(FAILED, format!("no randomness: {error}")))?;
    let word = |at: usize| seed[at..at + 8].iter().fold(0_u64, |word, octet| word << 8 | u64::from(*octet));
    os::pin_ring_memory();
    let (ip, prefix) = (IpAddr::V4(flags.addr.0), flags.addr.1);
    let host = host_of(ip, prefix).map_err(|text| Failure::new(USAGE, text))?;
    let tun =
        Tun::open(&tun::Config { name: flags.tun.clone(), addresses: vec![(host, prefix)], mtu: flags.mtu })?;
    let config = engine::Config::new(vec![(ip, prefix)], flags.mtu.into(), [word(0), word(8)]);
    Ok((tun, Engine::new(config, Meter::new(flags.ladder.then(Page::default)))))
}
