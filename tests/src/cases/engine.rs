//! An engine over memory: packets among few flows and many, whole connections, bulk, and what belongs to nobody.

use super::crowd::Crowd;
use super::world::{SERVER, World};
use super::{Case, Work};
use core::net::SocketAddr;
use sockhop::tcp::{Empty, Flags, Seq};

/// The cases.
pub const CASES: &[Case] = &[
    Case { name: "octet_echoed_among_10_flows", times: 500, make: || echoes(10) },
    Case { name: "octet_echoed_among_1000_flows", times: 500, make: || echoes(1_000) },
    Case { name: "octet_between_two_engines", times: 500, make: round_trips },
    Case { name: "connection_opened_and_closed", times: 200, make: lives },
    Case { name: "upload_of_64_kib", times: 50, make: upload },
    Case { name: "packet_for_nobody", times: 500, make: stray },
];

/// Returns what an engine does for an octet that is sent back, among so many flows; two packets each time.
pub fn echoes(flows: usize) -> Work {
    let mut crowd = Crowd::new(flows);
    Box::new(move || crowd.echo())
}

/// An octet there and back in four packets, both ends together.
fn round_trips() -> Work {
    let mut world = World::new(10);
    Box::new(move || world.round_trip())
}

fn lives() -> Work {
    let mut world = World::new(10);
    Box::new(move || world.life())
}

fn upload() -> Work {
    let mut world = World::new(10);
    Box::new(move || world.upload(1 << 16))
}

/// What the demultiplexer costs alone: nobody is found, and nothing may be answered.
fn stray() -> Work {
    let mut world = World::new(1_000);
    let mut packet = [0; 60];
    let ack = Empty { seq: Seq(1), ack: Seq(1), flags: Flags::ACK, window: 1 };
    let length = ack.write(SocketAddr::from(([10, 0, 0, 9], 9)), SERVER, &mut packet);
    Box::new(move || {
        let mut packet = packet;
        world.stray(&mut packet[..length]);
    })
}
