//! What the kernel does for the stack spoils nothing: each octet, datagram and checksum is as it should be, with offloads
//! and without, in small packets and in large ones, on this host and beyond it.
//!
//! `SOCKHOP_OCTETS` says how many octets each pattern has; `tests/bench/octets` runs them with 200 MB.

mod commands;
mod datagrams;
mod narrow;
mod patterns;
mod place;
mod stopped;
mod wire;

/// How a device is opened.
#[derive(Clone, Copy, Debug)]
struct Mode {
    offload: bool,
    mtu: &'static str,
}

const MODES: [Mode; 4] = [
    Mode { offload: true, mtu: "65520" },
    Mode { offload: true, mtu: "1500" },
    Mode { offload: false, mtu: "65520" },
    Mode { offload: false, mtu: "1500" },
];

impl Mode {
    /// Returns the flags that ask for it.
    fn flags(self) -> Vec<&'static str> {
        let fixed = ["--mtu", self.mtu];
        let off: &[&str] = if self.offload { &[] } else { &["--no-offload"] };
        [&fixed, off].concat()
    }
}
