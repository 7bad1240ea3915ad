//! The guard, and what it stands on.

use super::{Case, Work};
use core::hint::black_box;
use core::net::SocketAddr;
use core::time::Duration;
use sockhop::tcp::{Empty, Flags, Guard, Segment, Seq, is_intact};
use sockhop::time::Instant;

/// The cases.
pub const CASES: &[Case] = &[
    Case { name: "guard_ingress", times: 1_000, make: ingress },
    Case { name: "guard_egress", times: 1_000, make: egress },
    Case { name: "egress_without_guard", times: 1_000, make: || Box::new(made_and_parsed) },
    Case { name: "checksum_of_1500_octets", times: 1_000, make: checksum },
];

/// A guard whose connection stands, and the last number of the peer's.
fn open() -> Guard {
    let mut guard = Guard::new(Seq(1_000_000));
    let now = Instant::ZERO;
    let mut packet = [0; 60];
    let (here, there) = ends();
    for (ours, empty) in [
        (false, Empty { seq: Seq(100), ack: Seq(0), flags: Flags::SYN, window: 60_000 }),
        (true, Empty { seq: Seq(7), ack: Seq(101), flags: Flags::SYN | Flags::ACK, window: 60_000 }),
        (false, Empty { seq: Seq(101), ack: Seq(1_000_001), flags: Flags::ACK, window: 60_000 }),
    ] {
        let (from, to) = if ours { (here, there) } else { (there, here) };
        let length = empty.write(from, to, &mut packet);
        let segment = Segment::parse(&packet[..length]).expect("whole");
        if ours {
            guard.egress(now, &mut packet[..length], &segment);
        } else {
            guard.ingress(now, &mut packet[..length], &segment);
        }
    }
    guard
}

fn ends() -> (SocketAddr, SocketAddr) {
    (SocketAddr::from(([10, 0, 0, 1], 80)), SocketAddr::from(([10, 0, 0, 2], 5_000)))
}

/// An acknowledgment from the wire: judged, its number shifted, the packet rewritten.
fn ingress() -> Work {
    let (here, there) = ends();
    let mut guard = open();
    let mut clean = [0; 60];
    let ack = Empty { seq: Seq(101), ack: Seq(1_000_001), flags: Flags::ACK, window: 60_000 };
    let length = ack.write(there, here, &mut clean);
    let mut now = Instant::ZERO;
    Box::new(move || {
        now = now + Duration::from_micros(10);
        let mut packet = clean;
        let segment = Segment::parse(&packet[..length]).expect("whole");
        black_box(guard.ingress(now, &mut packet[..length], &segment));
    })
}

/// An acknowledgment from smoltcp: its number shifted, the packet rewritten.
fn egress() -> Work {
    let (here, there) = ends();
    let mut guard = open();
    let mut clean = [0; 60];
    let mut now = Instant::ZERO;
    let mut window = 0;
    Box::new(move || {
        now = now + Duration::from_micros(10);
        window ^= 1;
        let ack = Empty { seq: Seq(8), ack: Seq(101), flags: Flags::ACK, window: 50_000 + window };
        let length = ack.write(here, there, &mut clean);
        let segment = Segment::parse(&clean[..length]).expect("whole");
        black_box(guard.egress(now, &mut clean[..length], &segment));
    })
}

/// The same packet made and parsed, and nothing else: to be taken off the figure above.
fn made_and_parsed() {
    let (here, there) = ends();
    let mut clean = [0; 60];
    let ack = Empty { seq: Seq(8), ack: Seq(101), flags: Flags::ACK, window: black_box(50_000) };
    let length = ack.write(here, there, &mut clean);
    black_box(black_box(Segment::parse(&clean[..length])).expect("whole").len);
}

/// The checksum of a packet of 1,500 octets.
fn checksum() -> Work {
    let (here, there) = ends();
    let mut packet = vec![0; 1_500];
    let ack = Empty { seq: Seq(8), ack: Seq(101), flags: Flags::ACK, window: 1 };
    ack.write(here, there, &mut packet);
    packet[2..4].copy_from_slice(&1_500_u16.to_be_bytes());
    packet[10..12].fill(0);
    let sum = packet[..20].chunks(2).map(|two| u32::from(u16::from_be_bytes([two[0], two[1]]))).sum::<u32>();
    let folded = !u16::try_from((sum >> 16) + (sum & 0xffff)).expect("small");
    packet[10..12].copy_from_slice(&folded.to_be_bytes());
    Box::new(move || {
        black_box(is_intact(black_box(&packet)));
    })
}
