//! What the board does: it serves SOCKS, gives back what it gets, and shows on request what it saw.
//!
//! ```text
//! TCP  7     echo                  UDP 7  echo
//! TCP  1080  SOCKS5; 4 and 4a in the full image
//! TCP  7007  files: framed and classic, into RAM
//! TCP  7008  the last file is given back
//! TCP  7070  the trace: a header, and the last events, 32 octets each
//! ```

use crate::board;
use crate::nic::Card;
use crate::service::{Services, Trace};
use core::net::Ipv4Addr;
use sockhop::node::{Config, Judge, Limits, Memory, Node, Policy, Proxy, allow_others, literal};
use static_cell::{ConstStaticCell, StaticCell};

/// Where the board is: qemu's user network.
const ADDRESS: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 0, 2, 15), 24);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// Clients at a time.
pub const CLIENTS: usize = 3;
/// The octets of each of the four rings of a client and its target.
const RING: usize = if cfg!(feature = "full") { 2_048 } else { 4_096 };
/// The octets of a client's inbox: a name of 217 octets, or a user and a password of 221 together.
const INBOX: usize = 224;
/// Who may come in, where somebody is asked.
const USER: (&[u8], &[u8]) = (b"ann", b"secret");

/// The port of the proxy, and of one that asks for a password.
const SOCKS: u16 = 1_080;

// What is large stands in statics, and is made by functions of its own, so that nothing of it is ever on the stack of
// the loop.
static MEMORY: ConstStaticCell<(Memory<'static, CLIENTS, RING>, Trace)> =
    ConstStaticCell::new((Memory::new(), Trace::new()));
static SERVER: StaticCell<(Board, Proxy<CLIENTS, INBOX>)> = StaticCell::new();

/// The node of this board.
pub type Board = Node<'static, Card, &'static mut Trace>;

#[inline(never)]
fn server(nic: Card, seed: [u64; 2]) -> &'static mut (Board, Proxy<CLIENTS, INBOX>) {
    let config = Config { address: ADDRESS, gateway: Some(GATEWAY), seed, limits: Limits::default() };
    let login = cfg!(feature = "password").then_some(judge as Judge);
    let (memory, trace) = MEMORY.take();
    SERVER.init_with(|| {
        (
            Node::new(nic, memory, config, trace),
            Proxy::new(Policy { login, allow: allow_others, resolve: literal }),
        )
    })
}

/// Returns whether a user and a password are right, in a time that does not depend on where they differ.
fn judge(user: &[u8], password: &[u8]) -> bool {
    let differs = |a: &[u8], b: &[u8]| {
        let each = a.iter().zip(b).fold(0, |all, (x, y)| all | (x ^ y));
        usize::from(each) | (a.len() ^ b.len())
    };
    differs(user, USER.0) | differs(password, USER.1) == 0
}

/// Runs for ever.
pub fn run(nic: Card, seed: [u64; 2]) -> ! {
    let (node, proxy) = server(nic, seed);
    node.listen(SOCKS);
    serve(node, proxy)
}

#[inline(never)]
fn serve(node: &mut Board, proxy: &mut Proxy<CLIENTS, INBOX>) -> ! {
    let mut services = Services::new(node);
    #[cfg(feature = "log")]
    defmt::info!("sockhop serves SOCKS at 10.0.2.15:{=u16}, {=usize} clients", SOCKS, CLIENTS);
    loop {
        let now = board::now();
        let busy = node.poll(now);
        while let Some(opened) = node.accept() {
            if opened.port == SOCKS {
                proxy.opened(node, opened);
            } else {
                services.opened(node, opened);
            }
        }
        while let Some(report) = proxy.work(now, node) {
            services.ended(&report);
        }
        services.work(now, node);
        node.drop_datagram();
        if !busy {
            board::rest();
        }
    }
}
