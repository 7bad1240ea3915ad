//! Where octets go through: hosts, the cables between them, and what they say of the packets that have passed.

use sockhop_tests::netns::{Namespace, Running, neighbour};

/// The proxy at its addresses of both families.
pub(crate) const PROXY: [&str; 2] = ["198.18.0.2:1080", "[fd00:5ac5::2]:1080"];
/// Targets at the proxy's own host.
pub(crate) const OWN: [&str; 2] = ["127.0.0.1:8000", "[::1]:8000"];
/// Targets at the other host.
pub(crate) const OTHER: [&str; 2] = ["10.77.0.2:8000", "[fd77::2]:8000"];

/// What the devices at the ends of a cable do by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cable {
    /// Nothing: packets are whole when they are on it, and their checksums are there.
    Plain,
    /// What such a device does unless it is told otherwise: segments and lacking checksums come across as they are.
    Offloading,
}

/// Joins two hosts with addresses of both families; the first one forwards.
pub(crate) fn cable(kind: Cable, here: &Namespace, there: &Namespace, net: u8) {
    here.cable(&format!("10.{net}.0.1/24"), there, &format!("10.{net}.0.2/24"));
    must(here, &format!("ip addr add fd{net}::1/64 dev out nodad"));
    must(there, &format!("ip addr add fd{net}::2/64 dev in nodad"));
    must(here, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    if kind == Cable::Plain {
        for (host, end) in [(here, "out"), (there, "in")] {
            must(host, &format!("ethtool -K {end} rx off tx off sg off tso off gso off gro off"));
        }
    }
}

/// Gives a host a way to the stack at another one.
pub(crate) fn route(host: &Namespace, net: u8) {
    must(host, &format!("ip route add 198.18.0.0/30 via 10.{net}.0.1"));
    must(host, &format!("ip route add fd00:5ac5::/126 via fd{net}::1"));
}

/// Runs a line that must succeed.
pub(crate) fn must(host: &Namespace, line: &str) {
    let output = host.output("sh", &["-c", line]);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Starts a target that does with each connection as its client says.
pub(crate) fn origins(host: &Namespace, at: [&str; 2]) -> [Running; 2] {
    at.map(|at| {
        let running = host.start(&neighbour("load").to_string_lossy(), &["origin", at]);
        running.until("ready");
        running
    })
}

/// Returns how many octets a pattern has.
pub(crate) fn octets() -> u64 {
    let said = std::env::var("SOCKHOP_OCTETS").ok();
    said.map_or(2_000_000, |text| text.parse().expect("SOCKHOP_OCTETS is a number"))
}

/// Sends a pattern there and back at once on each of two connections, by both families, and looks at each octet.
pub(crate) fn verify(host: &Namespace, targets: [&str; 2], what: &str) {
    for (proxy, target) in PROXY.into_iter().zip(targets) {
        let octets = octets();
        let load = neighbour("load").to_string_lossy().into_owned();
        // What hangs is to fail.
        let line = ["300", &load, "verify", proxy, target, "2", &octets.to_string()];
        let said = host.output("timeout", &line);
        let line = String::from_utf8_lossy(&said.stdout);
        let wanted = format!("{{\"octets\":{},\"wrong\":0}}", 2 * octets);
        assert_eq!(line.trim(), wanted, "{what}, {target}: {}", String::from_utf8_lossy(&said.stderr));
    }
}

/// Returns a number that the kernel has about a device.
pub(crate) fn counted(host: &Namespace, device: &str, what: &str) -> u64 {
    let path = format!("cat /sys/class/net/{device}/statistics/{what}");
    host.shell(&path).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns how long a packet from the stack was on average, and one to it.
pub(crate) fn lengths(host: &Namespace) -> (u64, u64) {
    let mean = |way| {
        let packets = counted(host, "tun0", &format!("{way}_packets")).max(1);
        counted(host, "tun0", &format!("{way}_bytes")) / packets
    };
    (mean("rx"), mean("tx"))
}
