//! Addresses that are routed elsewhere already.

use super::Error;
use core::net::{IpAddr, Ipv4Addr};

/// Refuses an address that a route other than the default one leads to.
pub(super) fn refuse_overlap(ip: IpAddr, prefix: u8) -> Result<(), Error> {
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
}
