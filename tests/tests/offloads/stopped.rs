//! A device whose queue is far too short, and a program that does not get to read it for a while.

use crate::Mode;
use crate::place::{OWN, PROXY, counted, must, octets, origins};
use core::time::Duration;
use sockhop_tests::netns::{Namespace, neighbour, possible};
use std::time::Instant;

const CLIENTS: u64 = 16;

#[test]
fn a_queue_that_overflows_while_the_program_is_stopped_costs_no_connection() {
    let name = "a_queue_that_overflows_while_the_program_is_stopped_costs_no_connection";
    if !possible(name, &[]) {
        return;
    }
    for offload in [true, false] {
        let mode = Mode { offload, mtu: "1500" };
        let here = Namespace::new();
        let _origins = origins(&here, OWN);
        let proxy = here.proxy(&mode.flags());
        must(&here, "ip link set tun0 txqueuelen 8");
        let clients = here.start(
            &neighbour("load").to_string_lossy(),
            &["verify", PROXY[0], OWN[0], &CLIENTS.to_string(), &octets().to_string()],
        );
        // Every client has begun, and none is through.
        until(&here, "tx_bytes", CLIENTS * 64_000);
        proxy.pause();
        let lost = counted(&here, "tun0", "tx_dropped");
        until(&here, "tx_dropped", lost + CLIENTS);
        proxy.resume();
        let said = clients.until("octets");
        assert_eq!(said, format!("{{\"octets\":{},\"wrong\":0}}", CLIENTS * octets()), "{mode:?}");
        let (summary, success) = proxy.interrupt();
        assert!(success, "{mode:?}: {summary:?}");
        assert!(
            summary.iter().any(|line| line.contains("left over: 0 connections")),
            "{mode:?}: {summary:?}"
        );
    }
}

/// Waits until the device has counted so much.
fn until(here: &Namespace, what: &str, least: u64) {
    let began = Instant::now();
    while counted(here, "tun0", what) < least {
        assert!(began.elapsed() < Duration::from_secs(60), "{what} does not come to {least}");
    }
}
