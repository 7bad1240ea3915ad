//! `tun-demo socks5`: the proxy on the stack behind a TUN device.

use crate::args::{Net6, Socks5, host_of};
use crate::exit::{FAILED, Failure, USAGE};
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use sockhop::trace::{Ends, Event, Line, Sink};
use sockhop_hosted::egress::Policy;
use sockhop_hosted::engine::{self, Engine};
use sockhop_hosted::ladder::Style;
use sockhop_hosted::os;
use sockhop_hosted::proxy::{self, Deadlines};
use sockhop_hosted::runtime::{Runtime, Summary};
use sockhop_hosted::tun::{self, Tun};
use std::collections::HashMap;
use std::io::Write;

/// Events that wait to be printed; more are counted and said to be lost.
const WAITING: usize = 65_536;

/// Keeps events until they are printed between two rounds, so that the engine never waits for a terminal.
#[derive(Debug, Default)]
struct Pages {
    events: Vec<Event>,
    lost: u64,
}

impl Sink for Pages {
    fn record(&mut self, event: &Event) {
        if self.events.len() < WAITING { self.events.push(*event) } else { self.lost += 1 }
    }
}

/// Serves until Ctrl-C.
pub(crate) fn run(options: &Socks5, out: &mut impl Write) -> Result<(), Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Failure::new(FAILED, format!("no randomness: {error}")))?;
    let word = |at: usize| seed[at..at + 8].iter().fold(0_u64, |word, octet| word << 8 | u64::from(*octet));
    os::pin_ring_memory();
    let stack = addresses(options, word(16))?;
    let hosts = stack.iter().map(|&(ip, prefix)| host_of(ip, prefix).map(|host| (host, prefix)));
    let hosts = hosts.collect::<Result<Vec<_>, _>>().map_err(|text| Failure::new(USAGE, text))?;
    let tun = Tun::open(&tun::Config { name: options.tun.clone(), addresses: hosts, mtu: options.mtu })?;
    let name = tun.name().to_owned();
    let config = engine::Config::new(stack.clone(), options.mtu.into(), [word(0), word(8)]);
    let engine = Engine::new(config, options.ladder.then(Pages::default));
    let listeners: Vec<SocketAddr> = stack.iter().map(|(ip, _)| SocketAddr::new(*ip, options.port)).collect();
    let deadlines = Deadlines {
        handshake: options.handshake_timeout,
        connect: options.connect_timeout,
        ..Deadlines::default()
    };
    let proxy = proxy::Config { users: options.users.clone(), deadlines };
    let own = stack.iter().map(|(ip, _)| *ip).collect();
    let policy = Policy { own, rules: options.rules.in_order() };
    let runtime = Runtime::new(tun, engine, &listeners, proxy, policy)?;
    greet(options, &name, &listeners, out)?;
    let mut ladder = Ladder { ends: HashMap::new(), style: Style { colour: crate::colour(), whole: true } };
    let mut heard = Ok(());
    let summary = runtime.run(|report, sink| {
        if let Some(pages) = sink.as_mut().filter(|pages| !pages.events.is_empty()) {
            heard = core::mem::replace(&mut heard, Ok(())).and_then(|()| ladder.print(pages, out));
        }
        if let Some(report) = report {
            heard = core::mem::replace(&mut heard, Ok(())).and_then(|()| writeln!(out, "{report}"));
            let _ = out.flush();
        }
    })?;
    heard?;
    sum_up(&summary, &name, out)
}

/// Returns the stack's addresses.
fn addresses(options: &Socks5, random: u64) -> Result<Vec<(IpAddr, u8)>, Failure> {
    let mut stack = vec![(IpAddr::V4(options.addr.0), options.addr.1)];
    match options.addr6 {
        Some(Net6::None) => {}
        Some(Net6::Net(ip, prefix)) => stack.push((IpAddr::V6(ip), prefix)),
        // A host without IPv6 is none the worse for it.
        None if !std::path::Path::new("/proc/net/if_inet6").exists() => {}
        None => {
            let prefix = 0xfd00_u128 << 112 | u128::from(random & 0xff_ffff_ffff) << 80;
            stack.push((IpAddr::V6(Ipv6Addr::from_bits(prefix | 2)), 126));
        }
    }
    Ok(stack)
}

fn greet(
    options: &Socks5,
    name: &str,
    listeners: &[SocketAddr],
    out: &mut impl Write,
) -> std::io::Result<()> {
    writeln!(out, "tun-demo {} on {name}, MTU {}", env!("CARGO_PKG_VERSION"), options.mtu)?;
    for listener in listeners {
        writeln!(out, "  SOCKS5 at {listener}")?;
    }
    let login = match options.users.first() {
        Some((user, _)) => {
            writeln!(out, "  asks for a user name and password ({} known)", options.users.len())?;
            format!("--proxy-user {user}:PASSWORD ")
        }
        None => String::new(),
    };
    let at = SocketAddr::new(options.addr.0.into(), options.port);
    writeln!(out, "  try it:  curl {login}--socks5-hostname {at} https://example.org/")?;
    writeln!(out, "  Ctrl-C closes the connections and removes {name}; a second one does so at once")?;
    out.flush()
}

fn sum_up(summary: &Summary, name: &str, out: &mut impl Write) -> Result<(), Failure> {
    let (counters, load) = (summary.counters, summary.load);
    let lasted = summary.lasted.as_secs_f64();
    writeln!(out, "\n{name} is removed after {lasted:.1} s")?;
    writeln!(out, "  {} connections accepted, {} refused by limits", counters.accepted, counters.refused)?;
    writeln!(out, "  {} B up, {} B down", summary.octets.0, summary.octets.1)?;
    writeln!(
        out,
        "  {} packets in, {} out, {} dropped",
        counters.packets_in, counters.packets_out, summary.dropped
    )?;
    writeln!(out, "  left over: {} connections, {} in TIME-WAIT", load.flows, load.time_wait)?;
    if counters.panics > 0 {
        writeln!(
            out,
            "  {} connections were lost to a panic in the stack: please report it",
            counters.panics
        )?;
    }
    Ok(out.flush()?)
}

/// Prints events as lines, each connection counted from its own SYNs.
struct Ladder {
    ends: HashMap<u32, Ends>,
    style: Style,
}

impl Ladder {
    fn print(&mut self, pages: &mut Pages, out: &mut impl Write) -> std::io::Result<()> {
        for event in pages.events.drain(..) {
            let ends = self.ends.entry(event.flow()).or_default();
            ends.learn(&event);
            let line = Line(&event, ends);
            let text = line.to_string();
            match line.state() {
                Some(state) => writeln!(out, "{}", self.style.paint(state, &text))?,
                None if text.is_empty() => {}
                None => writeln!(out, "{text}")?,
            }
            if matches!(event.view(), Some(sockhop::trace::View::Ended { .. })) {
                self.ends.remove(&event.flow());
            }
        }
        if pages.lost > 0 {
            writeln!(out, "{} events were lost: they came faster than they could be printed", pages.lost)?;
            pages.lost = 0;
        }
        out.flush()
    }
}
