//! What the board does: it serves SOCKS, gives back what it gets, and shows on request what it saw.
//!
//! ```text
//! TCP  7     echo                  UDP 7  echo
//! TCP  1080  SOCKS5, 4 and 4a
//! TCP  7070  the trace: the last events, 32 octets each, and the connection is closed
//! ```

use crate::board;
use crate::service::{Services, Trace};
use core::net::Ipv4Addr;
use sockhop::node::{Config, Limits, Memory, Nic, Node, Policy, Proxy, allow_others, literal};
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

static MEMORY: ConstStaticCell<Memory<'static, CLIENTS, RING>> = ConstStaticCell::new(Memory::new());
static PROXY: StaticCell<Proxy<CLIENTS, INBOX>> = StaticCell::new();

/// Returns whether a user and a password are right, in a time that does not depend on where they differ.
fn judge(user: &[u8], password: &[u8]) -> bool {
    let differs = |a: &[u8], b: &[u8]| {
        let each = a.iter().zip(b).fold(0, |all, (x, y)| all | (x ^ y));
        usize::from(each) | (a.len() ^ b.len())
    };
    differs(user, USER.0) | differs(password, USER.1) == 0
}

/// Runs for ever.
pub fn run(nic: impl Nic, seed: [u64; 2]) -> ! {
    let config = Config { address: ADDRESS, gateway: Some(GATEWAY), seed, limits: Limits::default() };
    let mut node = Node::new(nic, MEMORY.take(), config, Trace::new());
    let login = cfg!(feature = "password").then_some(judge as fn(&[u8], &[u8]) -> bool);
    let proxy = PROXY.init_with(|| Proxy::new(Policy { login, allow: allow_others, resolve: literal }));
    let mut services = Services::new(&mut node);
    node.listen(SOCKS);
    #[cfg(feature = "log")]
    defmt::info!("sockhop serves SOCKS at 10.0.2.15:{=u16}, {=usize} clients", SOCKS, CLIENTS);
    loop {
        let now = board::now();
        let busy = node.poll(now);
        while let Some(opened) = node.accept() {
            if opened.port == SOCKS {
                proxy.opened(&mut node, opened);
            } else {
                services.opened(&mut node, opened);
            }
        }
        while let Some(report) = proxy.work(now, &mut node) {
            services.ended(&report);
        }
        services.work(now, &mut node);
        node.drop_datagram();
        if !busy {
            board::rest();
        }
    }
}
