//! smoltcp's interfaces: one for packets as large as the link takes, and one for each narrower path that was met.
//!
//! smoltcp reads the size of packets from its device once, when an interface is made. So a connection whose packets
//! have to be smaller is served by an interface that was made for that size; there are only as many sizes as
//! [`PLATEAUS`](super::notice::PLATEAUS).

use super::Config;
use super::port::{Link, Port};
use core::net::{Ipv4Addr, Ipv6Addr};
use smoltcp::iface::{Config as Settings, Interface};
use smoltcp::wire::{HardwareAddress, IpCidr};
use std::collections::BTreeMap;

/// The interfaces of one stack.
pub(super) struct Ways {
    wide: Interface,
    narrow: BTreeMap<usize, Interface>,
}

impl Ways {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            wide: interface(config, config.seed[0], Link::tcp(config, config.mtu)),
            narrow: BTreeMap::new(),
        }
    }

    /// Returns the interface for packets as large as the link takes.
    pub(super) const fn wide(&mut self) -> &mut Interface {
        &mut self.wide
    }

    /// Returns the interface for packets of at most `path` octets; where segments are cut behind the stack, one is
    /// enough.
    pub(super) fn of(&mut self, path: usize, config: &Config) -> &mut Interface {
        if path >= config.mtu || config.offload {
            return &mut self.wide;
        }
        self.narrow.entry(path).or_insert_with(|| interface(config, config.seed[0], Link::tcp(config, path)))
    }
}

/// Makes an interface with the stack's addresses and a way to everywhere.
pub(super) fn interface(config: &Config, seed: u64, link: Link) -> Interface {
    let mut settings = Settings::new(HardwareAddress::Ip);
    settings.random_seed = seed;
    let mut port = Port::new(None, &mut [], link);
    let mut interface = Interface::new(settings, &mut port, smoltcp::time::Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        for &(address, prefix) in &config.addresses {
            // smoltcp holds two; the doc of `Config::addresses` says so.
            let _ = addresses.push(IpCidr::new(address.into(), prefix));
        }
    });
    let routes = interface.routes_mut();
    let _ = routes.add_default_ipv4_route(Ipv4Addr::new(198, 18, 0, 1));
    let _ = routes.add_default_ipv6_route(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
    interface
}
