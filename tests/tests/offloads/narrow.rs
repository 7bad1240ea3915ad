//! Ways that take less than the link: the client's own cable, and a hop behind it that neither end knows of.

use crate::MODES;
use crate::place::{Cable, OWN, cable, lengths, must, origins, route, verify};
use sockhop_tests::netns::{Namespace, possible};

#[test]
fn a_client_whose_cable_takes_1280_octets_gets_every_octet() {
    if !possible("a_client_whose_cable_takes_1280_octets_gets_every_octet", &["ethtool", "sysctl"]) {
        return;
    }
    for mode in MODES {
        let (here, there) = (Namespace::new(), Namespace::new());
        cable(Cable::Plain, &here, &there, 77);
        must(&here, "ip link set out mtu 1280");
        must(&there, "ip link set in mtu 1280");
        route(&there, 77);
        let _origins = origins(&here, OWN);
        let _proxy = here.proxy(&mode.flags());
        verify(&there, OWN, &format!("{mode:?}"));
    }
}

#[test]
fn a_hop_narrower_than_both_ends_believe_is_noticed_and_every_octet_passes_it() {
    let name = "a_hop_narrower_than_both_ends_believe_is_noticed_and_every_octet_passes_it";
    if !possible(name, &["ethtool", "nstat", "sysctl"]) {
        return;
    }
    for (mode, kind) in
        MODES.into_iter().zip([Cable::Plain, Cable::Offloading, Cable::Plain, Cable::Offloading])
    {
        let (here, hop, there) = (Namespace::new(), Namespace::new(), Namespace::new());
        cable(kind, &here, &hop, 77);
        cable(kind, &hop, &there, 78);
        // What the hop forwards to the client has at most 1,280 octets, and it says so to whoever sends more.
        must(&hop, "ip route change 10.78.0.0/24 dev out mtu lock 1280");
        must(&hop, "ip -6 route change fd78::/64 dev out metric 256 mtu lock 1280");
        route(&hop, 77);
        must(&here, "ip route add 10.78.0.0/24 via 10.77.0.2 && ip route add fd78::/64 via fd77::2");
        route(&there, 78);
        let _origins = origins(&here, OWN);
        let _proxy = here.proxy(&mode.flags());
        verify(&there, OWN, &format!("{mode:?}, {kind:?}"));
        let said =
            hop.shell("nstat -asz IcmpOutDestUnreachs Icmp6OutPktTooBigs | awk '/^Icmp/ { print $2 }'");
        let said: Vec<u64> = said.lines().map(|number| number.parse().expect("a number")).collect();
        assert!(
            said.len() == 2 && said.iter().all(|told| *told > 0),
            "{mode:?}: the hop has told both families: {said:?}"
        );
        let (from, _) = lengths(&here);
        assert_eq!(from > 1_500, mode.offload, "{mode:?}: {from} octets a packet from the stack");
    }
}
