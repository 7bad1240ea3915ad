//! The SOCKS5 server alone, to be weighed: password, names and UDP, with the inbox that the firmware has.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::net::SocketAddr;
use sockhop::machine::Machine;
use sockhop::socks5::{Event, Refusal, Server, udp};
use sockhop::tcp::Guard;

/// A place as large as a `T`, which stands in the image to be measured.
#[repr(transparent)]
pub struct Place<T>(UnsafeCell<MaybeUninit<T>>);

// SAFETY: nobody ever looks into it.
unsafe impl<T> Sync for Place<T> {}

#[unsafe(no_mangle)]
#[used]
static SERVER: Place<Server<224>> = Place(UnsafeCell::new(MaybeUninit::uninit()));

#[unsafe(no_mangle)]
#[used]
static GUARD: Place<Guard> = Place(UnsafeCell::new(MaybeUninit::uninit()));

/// Takes octets from the client, gives octets to it, and acts on what stands.
#[unsafe(no_mangle)]
extern "Rust" fn converse(
    server: &mut Server<224>,
    input: &[u8],
    output: &mut [u8],
    answer: Result<SocketAddr, Refusal>,
    right: bool,
) -> (usize, usize) {
    let moved = (server.feed(input), server.drain(output));
    let (asks, wants) = match server.poll() {
        Ok(Event::Login { user, password }) => (!core::hint::black_box((user, password)).0.is_empty(), false),
        Ok(Event::Request(request)) => (false, core::hint::black_box(request).target.port > 0),
        Ok(Event::Accept | Event::Relay) | Err(_) => (false, false),
    };
    if asks {
        server.judge(right);
    }
    if wants {
        server.answer(answer);
    }
    moved
}

#[unsafe(no_mangle)]
extern "Rust" fn ends(server: &mut Server<224>) -> bool {
    server.end();
    server.expire();
    server.patience().is_some()
}

#[unsafe(no_mangle)]
extern "Rust" fn datagram(octets: &[u8], buffer: &mut [u8], at: usize, from: SocketAddr) -> usize {
    let length = udp::Datagram::parse(octets).map_or(0, |datagram| datagram.payload.len());
    length + udp::prepend(buffer, at, from).unwrap_or(0)
}
