//! What others see of it: tshark at the far end of a cable, and tshark and we on our own record.

use crate::MODES;
use crate::place::{Cable, OWN, cable, origins, route, verify};
use sockhop_tests::folder::Folder;
use sockhop_tests::netns::{Namespace, neighbour, possible, program};
use std::process::Command;

#[test]
fn what_leaves_the_host_is_in_packets_that_fit_with_checksums_that_are_right() {
    let name = "what_leaves_the_host_is_in_packets_that_fit_with_checksums_that_are_right";
    if !possible(name, &["ethtool", "tshark", "sysctl", "ping"]) {
        return;
    }
    let folder = Folder::new("offload-wire");
    for mode in MODES {
        let (here, there) = (Namespace::new(), Namespace::new());
        cable(Cable::Plain, &here, &there, 77);
        route(&there, 77);
        there.shell("ip addr add 10.99.0.1/32 dev lo");
        let _origins = origins(&here, OWN);
        let _udp = here.origin("127.0.0.1:9000", "udp");
        let _proxy = here.proxy(&mode.flags());
        let file = folder.path().join("wire.pcapng").to_string_lossy().into_owned();
        let watch = there.start("sh", &["-c", &format!("exec tshark -i in -l -P -w {file} 2>&1")]);
        watch.until("Capturing on");
        verify(&there, OWN, &format!("{mode:?}"));
        let asker = neighbour("asker").to_string_lossy().into_owned();
        let asker = there.start(&asker, &["198.18.0.2:1080", "127.0.0.1:9000", "datagrams", "1400"]);
        asker.until("closed");
        there.shell("ping -c 1 -W 10 -s 1400 198.18.0.2");
        // What was captured before it has been written by then.
        watch.until("Echo (ping) reply");
        watch.interrupt();
        let rows = sums(&file);
        let tcp = rows.iter().filter(|row| row[2] == "1").count();
        let udp = rows.iter().filter(|row| row[3] == "1").count();
        let icmp = rows.iter().filter(|row| row[4] == "1").count();
        assert!(tcp > 1_000 && udp >= 5 && icmp == 1, "{mode:?}: {tcp} {udp} {icmp} checksums are right");
        for row in &rows {
            // An echo has none of these, and IPv6 has no checksum of its own; 0 is a wrong one.
            assert!(row[1..].iter().all(|status| status.is_empty() || status == "1"), "{mode:?}: {row:?}");
            let length: usize = row[0].parse().expect("a number");
            assert!(length <= 14 + 1_500, "{mode:?}: {row:?}");
        }
    }
}

/// Returns of each packet from the stack, but for errors, how long its frame is and how its checksums are.
fn sums(file: &str) -> Vec<Vec<String>> {
    let fields = [
        "frame.len",
        "ip.checksum.status",
        "tcp.checksum.status",
        "udp.checksum.status",
        "icmp.checksum.status",
    ];
    let on = ["ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE"];
    let from = "(ip.src == 198.18.0.2 || ipv6.src == fd00:5ac5::2) && !(icmp.type == 3)";
    tshark(&[&["-r", file, "-Y", from], &on.map(|on| ["-o", on])[..].concat()[..]].concat(), &fields)
}

#[test]
fn the_record_of_a_run_with_offloads_is_lawful_and_tshark_finds_nothing_malformed_in_it() {
    let name = "the_record_of_a_run_with_offloads_is_lawful_and_tshark_finds_nothing_malformed_in_it";
    if !possible(name, &["tshark"]) {
        return;
    }
    let folder = Folder::new("offload-record");
    for mode in MODES.into_iter().filter(|mode| mode.offload) {
        let here = Namespace::new();
        let _origins = origins(&here, OWN);
        let file = folder.path().join(format!("{}.pcapng", mode.mtu)).to_string_lossy().into_owned();
        let proxy = here.proxy(&[&mode.flags()[..], &["--trace", &file]].concat());
        verify(&here, OWN, &format!("{mode:?}"));
        let (summary, success) = proxy.interrupt();
        assert!(success, "{mode:?}: {summary:?}");
        let checked = Command::new(program()).args(["trace", "check", &file]).output().expect("it runs");
        let said = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "{mode:?}: {said}{}", String::from_utf8_lossy(&checked.stderr));
        let rows = tshark(&["-r", &file], &["tcp.len", "_ws.malformed"]);
        let large =
            rows.iter().filter(|row| row[0].parse::<u32>().is_ok_and(|length| length > 1_500)).count();
        assert!(large > 10, "{mode:?}: {large} of {} packets are more than a link takes", rows.len());
        let malformed = rows.iter().filter(|row| !row[1].is_empty()).count();
        assert_eq!(malformed, 0, "{mode:?}: of {}", rows.len());
    }
}

/// Has tshark say these fields of each packet.
fn tshark(arguments: &[&str], fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command.args(arguments).args(["-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}
