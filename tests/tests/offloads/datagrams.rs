//! What is not TCP: datagrams of an association, and echoes.

use crate::place::{Cable, cable, route};
use crate::{MODES, Mode};
use sockhop_tests::netns::{Namespace, neighbour, possible};

/// The largest payload that passes a link of 1,500 octets in one packet, with every header.
const SMALL: &str = "1400";

#[test]
fn datagrams_and_echoes_of_every_size_that_fits_come_back_in_each_mode() {
    let name = "datagrams_and_echoes_of_every_size_that_fits_come_back_in_each_mode";
    if !possible(name, &["ping"]) {
        return;
    }
    for mode in MODES {
        let here = Namespace::new();
        here.shell("ip addr add 10.99.0.1/32 dev lo");
        let _targets = ["127.0.0.1:9000", "[::1]:9000"].map(|at| here.origin(at, "udp"));
        let _proxy = here.proxy(&mode.flags());
        let most = if mode.mtu == "1500" { SMALL } else { "60000" };
        associate(&here, mode, most);
        echo(&here, mode, &["56", SMALL, most]);
    }
}

#[test]
fn datagrams_and_echoes_of_another_host_come_back_in_each_mode() {
    let name = "datagrams_and_echoes_of_another_host_come_back_in_each_mode";
    if !possible(name, &["ethtool", "ping", "sysctl"]) {
        return;
    }
    for (mode, kind) in
        MODES.into_iter().zip([Cable::Plain, Cable::Offloading, Cable::Offloading, Cable::Plain])
    {
        let (here, there) = (Namespace::new(), Namespace::new());
        cable(kind, &here, &there, 77);
        route(&there, 77);
        there.shell("ip addr add 10.99.0.1/32 dev lo");
        let _targets = ["127.0.0.1:9000", "[::1]:9000"].map(|at| here.origin(at, "udp"));
        let _proxy = here.proxy(&mode.flags());
        associate(&there, mode, SMALL);
        echo(&there, mode, &["56", SMALL]);
    }
}

/// Sends datagrams of up to so many octets to targets of both families and looks at what comes back.
fn associate(host: &Namespace, mode: Mode, most: &str) {
    for target in ["127.0.0.1:9000", "[::1]:9000"] {
        let asker = neighbour("asker");
        let asker = host.start(&asker.to_string_lossy(), &["198.18.0.2:1080", target, "datagrams", most]);
        let largest: u64 = most.parse().expect("a number");
        for size in [1, 0, 1_472, 8_192, 60_000].map(|size: u64| size.min(largest)) {
            let line = asker.until("from");
            assert_eq!(line, format!("{size} from {target} right"), "{mode:?}");
        }
        asker.until("closed");
    }
}

/// Has the stack echo a packet with each of so many octets, by both families.
fn echo(host: &Namespace, mode: Mode, sizes: &[&str]) {
    for at in ["198.18.0.2", "fd00:5ac5::2"] {
        for size in sizes {
            // Of several it would not wait for the last: once it has heard one, it is sure of how long they take.
            let line = format!("ping -c 1 -W 10 -s {size} {at}");
            let said = host.shell(&line);
            assert!(said.contains(" 1 received"), "{mode:?}: {line}: {said}");
            assert!(!said.contains("wrong data byte"), "{mode:?}: {line}: {said}");
        }
    }
}
