//! What the board does: it serves SOCKS, and says on request what it saw.

use crate::board;
use core::net::Ipv4Addr;
use sockhop::node::{Config, Limits, Memory, Nic, Node, Policy, Proxy, allow_others, literal};
use static_cell::{ConstStaticCell, StaticCell};

/// Where the board is: qemu's user network.
const ADDRESS: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 0, 2, 15), 24);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// Clients at a time, the octets of each of their rings, and of their inboxes.
const CLIENTS: usize = 3;
const RING: usize = 4_096;
const INBOX: usize = 224;
const SOCKS: u16 = 1_080;

static MEMORY: ConstStaticCell<Memory<'static, CLIENTS, RING>> = ConstStaticCell::new(Memory::new());
static PROXY: StaticCell<Proxy<CLIENTS, INBOX>> = StaticCell::new();

/// Runs for ever.
pub fn run(nic: impl Nic) -> ! {
    let config = Config { address: ADDRESS, gateway: Some(GATEWAY), seed: [1, 2], limits: Limits::default() };
    let mut node = Node::new(nic, MEMORY.take(), config, ());
    let policy = Policy { login: None, allow: allow_others, resolve: literal };
    let proxy = PROXY.init_with(|| Proxy::new(policy));
    node.listen(SOCKS);
    loop {
        let now = board::now();
        let busy = node.poll(now);
        while let Some(opened) = node.accept() {
            proxy.opened(&mut node, opened);
        }
        while let Some(_report) = proxy.work(now, &mut node) {}
        node.drop_datagram();
        if !busy {
            board::rest();
        }
    }
}
