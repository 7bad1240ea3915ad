//! A pattern there and back at once, with a half-close, and each octet looked at.

use crate::place::{Cable, OTHER, OWN, cable, lengths, origins, route, verify};
use crate::{MODES, Mode};
use sockhop_tests::netns::{Namespace, possible};

#[test]
fn on_this_host_every_octet_comes_back_as_it_went() {
    if !possible("on_this_host_every_octet_comes_back_as_it_went", &[]) {
        return;
    }
    for mode in MODES {
        let here = Namespace::new();
        let _origins = origins(&here, OWN);
        let _proxy = here.proxy(&mode.flags());
        verify(&here, OWN, &format!("{mode:?}"));
        let (from, to) = lengths(&here);
        are_packets_as_long_as_asked(mode, from);
        are_packets_as_long_as_asked(mode, to);
    }
}

#[test]
fn forwarded_over_a_cable_that_takes_whole_packets_only_every_octet_comes_back() {
    let name = "forwarded_over_a_cable_that_takes_whole_packets_only_every_octet_comes_back";
    if !possible(name, &["ethtool", "sysctl"]) {
        return;
    }
    for mode in MODES {
        let (from, _) = forwarded(mode, Cable::Plain);
        let whole = mode.offload && from > 1_500 || !mode.offload && from <= 1_500;
        assert!(whole, "{mode:?}: {from} octets a packet from the stack");
    }
}

#[test]
fn forwarded_over_a_cable_that_takes_segments_every_octet_comes_back() {
    let name = "forwarded_over_a_cable_that_takes_segments_every_octet_comes_back";
    if !possible(name, &["sysctl"]) {
        return;
    }
    for mode in MODES {
        let (from, to) = forwarded(mode, Cable::Offloading);
        assert_eq!(
            (from > 1_500, to > 1_500),
            (mode.offload, mode.offload),
            "{mode:?}: {from} and {to} octets a packet"
        );
    }
}

/// Has another host use the proxy, and returns how long packets from the stack and to it were.
fn forwarded(mode: Mode, kind: Cable) -> (u64, u64) {
    let (here, there) = (Namespace::new(), Namespace::new());
    cable(kind, &here, &there, 77);
    route(&there, 77);
    let _origins = origins(&here, OWN);
    let _proxy = here.proxy(&mode.flags());
    verify(&there, OWN, &format!("{mode:?}, {kind:?}"));
    lengths(&here)
}

#[test]
fn out_through_the_stack_and_beyond_this_host_every_octet_comes_back() {
    let name = "out_through_the_stack_and_beyond_this_host_every_octet_comes_back";
    if !possible(name, &["ethtool", "nft", "sysctl"]) {
        return;
    }
    for (mode, kind) in MODES.into_iter().zip([Cable::Plain, Cable::Offloading, Cable::Plain, Cable::Plain]) {
        let (here, there) = (Namespace::new(), Namespace::new());
        cable(kind, &here, &there, 77);
        let _origins = origins(&there, OTHER);
        let proxy = here.proxy(&[&mode.flags()[..], &["--egress", "stack", "--setup"]].concat());
        verify(&here, OTHER, &format!("{mode:?}, {kind:?}"));
        let (summary, success) = proxy.interrupt();
        assert!(success, "{mode:?}: {summary:?}");
    }
}

/// Looks whether the kernel has, or has not, been handed whole segments.
fn are_packets_as_long_as_asked(mode: Mode, length: u64) {
    let link: u64 = mode.mtu.parse().expect("a number");
    assert!(length <= link || mode.offload, "{mode:?}: {length} octets a packet");
    assert!(length > link.min(4_000) || !mode.offload, "{mode:?}: {length} octets a packet");
}
