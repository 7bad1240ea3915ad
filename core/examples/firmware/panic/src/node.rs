//! A whole node and what drives smoltcp's sockets: every entry, on a card that does whatever its maker says.
//!
//! smoltcp can panic, so this never links without one; `prove` looks at where each panic is called from instead.

use core::net::SocketAddrV4;
use sockhop::node::{Config, FlowId, Memory, Nic, Node, Opened, Policy, Proxy};
use sockhop::relay::{Broken, Relay, Ring, Stream};
use sockhop::socks5::Command;
use sockhop::stack::Socket;
use sockhop::time::Instant;
use sockhop::trace::Ring as Trace;

/// A card that answers as it is told.
pub struct Card {
    address: Option<[u8; 6]>,
    length: Option<usize>,
    sent: usize,
}

impl Nic for Card {
    fn address(&self) -> Option<[u8; 6]> {
        self.address
    }

    fn receive(&mut self, _: &mut [u8]) -> Option<usize> {
        self.length
    }

    fn transmit(&mut self, frame: &[u8]) {
        self.sent = frame.len();
    }
}

type Whole = Node<'static, Card, Trace<32, 4>>;

#[unsafe(no_mangle)]
extern "Rust" fn node_new(
    card: Card,
    memory: &'static mut Memory<'static, 3, 4096>,
    config: Config,
) -> Whole {
    Node::new(card, memory, config, Trace::new())
}

#[unsafe(no_mangle)]
extern "Rust" fn node_turns(
    node: &mut Whole,
    now: Instant,
    port: u16,
) -> (bool, Option<Opened>, Option<Instant>) {
    let more = node.listen(port) & node.poll(now);
    (more, node.accept(), node.poll_at())
}

#[unsafe(no_mangle)]
extern "Rust" fn node_connects(node: &mut Whole, remote: SocketAddrV4, flow: FlowId) -> Option<FlowId> {
    let _ = core::hint::black_box((node.state(flow), node.local(flow), node.counters(), node.address()));
    node.release(flow);
    node.connect(remote)
}

#[unsafe(no_mangle)]
extern "Rust" fn node_datagrams(
    node: &mut Whole,
    at: u16,
    to: SocketAddrV4,
    payload: &[u8],
    skip: usize,
) -> bool {
    let opened = node.open_port().is_some() & node.open_port_at(at);
    let stands = node.datagram().is_some_and(|datagram| datagram.payload == payload);
    let passed = node.pass_datagram(at, to, payload, skip);
    let sent = node.send_datagram(at, to, payload);
    node.close_port(at);
    node.drop_datagram();
    opened & stands & passed & sent
}

#[unsafe(no_mangle)]
extern "Rust" fn node_carries(node: &mut Whole, relay: &mut Relay, a: FlowId, b: FlowId) -> usize {
    let told = node.told().sink().lost() as usize;
    let unread = node.watched(a).map_or(0, |(socket, _)| socket.unread());
    told + unread + node.pair(a, b).map_or(0, |(mut a, mut b, _)| relay.pump(&mut a, &mut b))
}

#[unsafe(no_mangle)]
extern "Rust" fn node_proxy(
    proxy: &mut Proxy<3, 224>,
    node: &mut Whole,
    now: Instant,
    opened: Opened,
) -> bool {
    proxy.opened(node, opened);
    let over = proxy.work(now, node).is_some();
    over | proxy.is_empty() | proxy.poll_at().is_some()
}

#[unsafe(no_mangle)]
extern "Rust" fn node_policy() -> (Proxy<3, 224>, bool) {
    (Proxy::new(Policy::default()), Command::Resolve.looks_up())
}

#[unsafe(no_mangle)]
extern "Rust" fn socket(
    socket: &mut Socket<'_, '_>,
    room: &mut [u8],
    octets: &[u8],
) -> (nb::Result<usize, Broken>, nb::Result<usize, Broken>, usize) {
    let _ = core::hint::black_box(socket.with_received(|octets| (octets.len(), octets.first().copied())));
    let _ = core::hint::black_box(socket.with_space(|space| (space.len(), space.first().copied())));
    let moved = (socket.read(room), socket.write(octets), socket.unsent());
    socket.close();
    socket.abort();
    moved
}
