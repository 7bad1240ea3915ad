//! The machines: every verb of each, with octets and answers that the compiler knows nothing of.

use core::net::{IpAddr, SocketAddr};
use sockhop::machine::Machine;
use sockhop::socks::AnyServer;
use sockhop::socks4;
use sockhop::socks5::{self, Login, Refusal, Server, udp};
use sockhop::wire::{Host, Target};

type Outcome = Result<SocketAddr, Refusal>;

/// Calls what all machines have.
pub fn verbs<M: Machine>(machine: &mut M, input: &[u8], output: &mut [u8]) -> usize {
    let moved = machine.feed(input) + machine.drain(output);
    machine.end();
    machine.expire();
    let _ = core::hint::black_box((machine.state(), machine.patience()));
    moved + usize::from(machine.poll().is_ok())
}

macro_rules! server {
    ($name:ident, $server:ty) => {
        #[unsafe(no_mangle)]
        extern "Rust" fn $name(
            server: &mut $server,
            input: &[u8],
            output: &mut [u8],
            outcome: Outcome,
        ) -> usize {
            server.answer(outcome);
            server.accept(outcome);
            let _ = core::hint::black_box(server.refusal());
            verbs(server, input, output)
        }
    };
}

server!(socks5_server, Server<513>);
server!(socks5_server_small, Server<64>);
server!(socks4_server, socks4::Server);
server!(any_server, AnyServer);

#[unsafe(no_mangle)]
extern "Rust" fn judges(five: &mut Server, any: &mut AnyServer, right: bool) {
    five.judge(right);
    any.judge(right);
    let _ = core::hint::black_box(any.user_id());
}

#[unsafe(no_mangle)]
extern "Rust" fn beginnings(login: Login) -> (Server, AnyServer, socks4::Server) {
    (Server::new(login), AnyServer::new(login), socks4::Server::new())
}

#[unsafe(no_mangle)]
extern "Rust" fn socks5_client(client: &mut socks5::Client<&[u8]>, input: &[u8], output: &mut [u8]) -> usize {
    verbs(client, input, output)
}

#[unsafe(no_mangle)]
extern "Rust" fn socks4_client(client: &mut socks4::Client<&[u8]>, input: &[u8], output: &mut [u8]) -> usize {
    verbs(client, input, output)
}

#[unsafe(no_mangle)]
extern "Rust" fn datagram(octets: &[u8], buffer: &mut [u8], at: usize, from: SocketAddr) -> usize {
    let length = udp::Datagram::parse(octets).map_or(0, |datagram| datagram.payload.len());
    length + udp::prepend(buffer, at, from).unwrap_or(0)
}

#[unsafe(no_mangle)]
extern "Rust" fn header(ip: IpAddr, name: &[u8], port: u16, out: &mut dyn FnMut(&[u8])) {
    udp::header(Target { host: Host::Ip(ip), port }, &mut *out);
    udp::header(Target { host: Host::Name(name), port }, out);
}
