//! Out through the stack and beyond this host: forwarded and masqueraded by the kernel, over a narrower cable.

use sockhop_hosted::forwarding::Plan;
use sockhop_tests::netns::{Namespace, possible};

const CURL: &str = "curl -s --max-time 30 --socks5 198.18.0.2:1080";

#[test]
fn another_host_is_reached_and_both_legs_are_seen_until_everything_is_undone() {
    if !possible(
        "another_host_is_reached_and_both_legs_are_seen_until_everything_is_undone",
        &["nft", "curl"],
    ) {
        return;
    }
    let (here, there) = (Namespace::new(), Namespace::new());
    here.cable("10.77.0.1/24", &there, "10.77.0.2/24");
    let _origin = there.origin("10.77.0.2:8000", "http");
    let proxy = here.proxy(&["--egress", "stack", "--setup", "--ladder"]);
    assert!(here.shell("nft list tables").contains("table inet sockhop_tun0"));
    assert_eq!(here.shell(&format!("{CURL} http://10.77.0.2:8000/")), "hello");
    for seen in [
        "198.18.0.2:1080 from 198.18.0.1:",
        "SYN-RECEIVED → ESTABLISHED [rcv ACK]",
        "to 10.77.0.2:8000",
        "CLOSED → SYN-SENT [connect()]",
        "SYN-SENT → ESTABLISHED [rcv SYN,ACK]",
    ] {
        proxy.until(seen);
    }
    let (summary, success) = proxy.interrupt();
    assert!(success, "{summary:?}");
    assert_eq!(here.shell("nft list tables"), "");
    assert_eq!(
        here.shell("cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding"),
        "0\n0"
    );
}

#[test]
fn a_cable_narrower_than_both_ends_believe_carries_everything() {
    if !possible("a_cable_narrower_than_both_ends_believe_carries_everything", &["nft", "nc", "sha256sum"]) {
        return;
    }
    let (here, there) = (Namespace::new(), Namespace::new());
    here.cable("10.77.0.1/24", &there, "10.77.0.2/24");
    // The cable takes 1,400 octets a packet, and the other host says that it takes 8,960 a segment.
    here.shell("ip link set out mtu 1400");
    there.shell("ip route change 10.77.0.0/24 dev in mtu 1400 advmss 8960");
    let _origin = there.origin("10.77.0.2:8000", "echo");
    let proxy = here.proxy(&["--egress", "stack"]);
    // What a person would type masquerades, but lets segments be as large as the ends believe.
    for line in Plan::new("tun0", ["198.18.0.2".parse().expect("an address")]).lines() {
        assert!(here.output("sh", &["-c", &line]).status.success(), "{line}");
    }
    let blob = "seq 1 1200000 | head -c 4194304";
    let sent = here.shell(&format!("{blob} | sha256sum"));
    let back = here.shell(&format!("{blob} | nc -N -X 5 -x 198.18.0.2:1080 10.77.0.2 8000 | sha256sum"));
    assert_eq!(sent, back);
    assert!(proxy.until("complete").contains("up 4194304 B down 4194304 B"));
}

#[test]
fn what_was_set_up_is_undone_even_when_the_proxy_is_killed() {
    if !possible("what_was_set_up_is_undone_even_when_the_proxy_is_killed", &["nft"]) {
        return;
    }
    let namespace = Namespace::new();
    let before = namespace.shell("cat /proc/sys/net/ipv4/ip_forward");
    let proxy = namespace.proxy(&["--egress", "stack", "--setup"]);
    assert!(namespace.shell("nft list tables").contains("sockhop_tun0"));
    assert_eq!(namespace.shell("cat /proc/sys/net/ipv4/ip_forward"), "1");
    // Killed, it can undo nothing itself, nor could it before: it has no privileges.
    drop(proxy);
    let until =
        "for i in $(seq 1000); do [ -z \"$(nft list tables)\" ] && break; done; nft list tables; echo none";
    assert_eq!(namespace.shell(until), "none");
    assert_eq!(namespace.shell("cat /proc/sys/net/ipv4/ip_forward"), before);
}
