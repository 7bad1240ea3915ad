//! `tun-demo socks5`: the proxy on the stack behind a TUN device, or at a socket of this host.

use crate::args::{Arguments, Command, Net6, Socks5, host_of};
use crate::config;
use crate::exit::{ADDRESS, FAILED, Failure, PRIVILEGE, USAGE};
use crate::printer::Page;
use crate::recording::{self, Watch};
use crate::shown::{self, Shown};
use crate::top;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use sockhop_hosted::control::{Feed, Overheard};
use sockhop_hosted::egress::{Policy, Way};
use sockhop_hosted::engine::{self, Engine};
use sockhop_hosted::forwarding::Plan;
use sockhop_hosted::listening::Listening;
use sockhop_hosted::os;
use sockhop_hosted::proxy::{self, Deadlines, Limits};
use sockhop_hosted::report::Unstarted;
use sockhop_hosted::runtime::{Reloaded, Runtime, Summary};
use sockhop_hosted::tun::{self, Tun};
use sockhop_hosted::users::Users;
use std::io::Write;

/// The largest ring of a connection, in octets: few connections get as much, many get less.
const RING: usize = 1 << 19;

/// Serves until Ctrl-C.
pub(crate) fn run(options: &Socks5) -> Result<(), Failure> {
    if options.top {
        top::must_be_terminal("tun-demo socks5")?;
    }
    if !options.listen.is_empty() {
        return listen(options);
    }
    if options.setup && options.egress != Way::Stack {
        return Err(Failure::new(USAGE, "--setup is for --egress stack: add that, or leave --setup out"));
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Failure::new(FAILED, format!("no randomness: {error}")))?;
    let word = |at: usize| seed[at..at + 8].iter().fold(0_u64, |word, octet| word << 8 | u64::from(*octet));
    os::pin_ring_memory();
    let proxy = proxy_of(options)?;
    let users = proxy.users.clone();
    let stack = addresses(options, word(16))?;
    let hosts = stack.iter().map(|&(ip, prefix)| host_of(ip, prefix).map(|host| (host, prefix)));
    let hosts = hosts.collect::<Result<Vec<_>, _>>().map_err(|text| Failure::new(USAGE, text))?;
    let tun =
        Tun::open(&tun::Config { name: options.tun.clone(), addresses: hosts.clone(), mtu: options.mtu })?;
    let name = tun.name().to_owned();
    let mut config = engine::Config::new(stack.clone(), options.mtu.into(), [word(0), word(8)]);
    config.limits.ring.1 = RING;
    let (recording, spool) = recording::begin(options.trace.as_deref(), "proxy")?;
    let feed = Feed::default();
    let own = Watch { page: options.ladder.then(Page::default), spool };
    let engine = Engine::new(config, Overheard { own, feed: feed.clone() });
    let listeners: Vec<SocketAddr> = stack.iter().map(|(ip, _)| SocketAddr::new(*ip, options.port)).collect();
    let own: Vec<IpAddr> = stack.iter().map(|(ip, _)| *ip).collect();
    let forwarding = Plan::new(&name, own.clone());
    let (plan, screen) = shown::plan(options, &name, own.clone(), Some(feed))?;
    let policy = policy(options, own, &hosts);
    let way = options.egress.clone();
    let runtime = Runtime::new(tun, engine, &listeners, proxy, policy, way)?.asked_by(plan)?;
    // Before the runtime, so that it is undone while the device is still there.
    let _applied = options.setup.then(|| forwarding.apply()).transpose()?;
    greet(options, &users, &name, &listeners, &mut std::io::stdout().lock())?;
    // Threads start behind the runtime, which has blocked the signals that they are not to take.
    let recording = recording.map(Unstarted::start);
    let shown = Shown::begin(screen);
    let mut reports = Page::default();
    let (summary, mut sink) = runtime.run(
        |report, sink| {
            // A report stands behind the events of its session.
            let page = sink.own.page.as_mut().unwrap_or(&mut reports);
            if let Some(report) = report {
                page.say(report.to_string());
            }
            shown.offer(page);
            if let Some(spool) = &mut sink.own.spool {
                spool.offer();
            }
        },
        reload(options),
    )?;
    shown.finish(sink.own.page.take().unwrap_or(reports))?;
    let mut out = std::io::stdout().lock();
    sum_up(&summary, &name, &mut out)?;
    match recording.zip(sink.own.spool) {
        Some((recording, spool)) => recording::say(recording, spool, options.trace.as_deref(), &mut out),
        None => Ok(()),
    }
}

/// Returns who may go where from a stack with these addresses, whose host has those at the TUN.
fn policy(options: &Socks5, own: Vec<IpAddr>, hosts: &[(IpAddr, u8)]) -> Policy {
    Policy {
        own,
        tun: hosts.iter().map(|(ip, _)| *ip).collect(),
        from_stack: options.egress == Way::Stack,
        rules: options.rules.in_order(),
        ..Policy::default()
    }
}

/// Serves at sockets of this host until Ctrl-C.
fn listen(options: &Socks5) -> Result<(), Failure> {
    let policy = Policy { rules: options.rules.in_order(), ..Policy::default() };
    if options.egress == Way::Stack {
        let text = "--egress stack needs the stack, and --listen has none: leave one of them out";
        return Err(Failure::new(USAGE, text));
    }
    let proxy = proxy_of(options)?;
    let users = proxy.users.clone();
    let listening = Listening::new(&options.listen, options.most, proxy, policy, options.egress.clone())
        .map_err(|error| cannot_listen(&error))?;
    let (plan, screen) = shown::plan(options, "listen", Vec::new(), None)?;
    let listening = listening.asked_by(plan)?;
    let at = listening.listens_at()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "tun-demo {} without a TUN", env!("CARGO_PKG_VERSION"))?;
    for at in &at {
        writeln!(out, "  SOCKS5 at {at}")?;
    }
    if users.is_empty()
        && let Some(open) = at.iter().find(|at| !at.ip().is_loopback())
    {
        writeln!(out, "  whoever reaches {open} can use it: --user NAME:PASS asks for a password")?;
    }
    say_ways(options, &users, at.first().copied(), &mut out)?;
    writeln!(out, "  Ctrl-C closes the connections; a second one does so at once")?;
    out.flush()?;
    drop(out);
    let shown = Shown::begin(screen);
    let mut page = Page::default();
    let summary = listening.run(
        |report| {
            if let Some(report) = report {
                page.say(report.to_string());
            }
            shown.offer(&mut page);
        },
        reload(options),
    )?;
    shown.finish(page)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nstopped after {:.1} s", summary.lasted.as_secs_f64())?;
    let counters = summary.counters;
    writeln!(
        out,
        "  {} connections accepted, {} turned away by --most",
        counters.accepted, counters.refused
    )?;
    say_limited(&summary, &mut out)?;
    writeln!(out, "  {} B up, {} B down", summary.octets.0, summary.octets.1)?;
    writeln!(out, "  left over: {} connections", summary.load.flows)?;
    Ok(out.flush()?)
}

/// Says what is in the way of a listener and what to do about it.
pub(crate) fn cannot_listen(error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            Failure::new(ADDRESS, format!("{error}: another program listens there; choose another port"))
        }
        std::io::ErrorKind::AddrNotAvailable => {
            Failure::new(ADDRESS, format!("{error}: no address of this host; `ip addr` lists them"))
        }
        std::io::ErrorKind::PermissionDenied => {
            Failure::new(PRIVILEGE, format!("{error}: ports below 1024 are root's; choose a higher one"))
        }
        _ => Failure::new(FAILED, error.to_string()),
    }
}

/// Returns what the proxy is told, the file of users included.
fn proxy_of(options: &Socks5) -> Result<proxy::Config, Failure> {
    let mut users = Users::default();
    for (name, password) in &options.user {
        users.add(name, password);
    }
    if let Some(path) = &options.users {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(FAILED, format!("{shown}: {error}; --users names a file of users"))
        })?;
        let file: Users = text.parse().map_err(|text| Failure::new(USAGE, format!("{shown}: {text}")))?;
        if file.is_empty() {
            // An open proxy is not what somebody wants who names a file of users.
            return Err(Failure::new(
                USAGE,
                format!("{shown}: there is no user in it; `tun-demo passwd` makes one"),
            ));
        }
        users.extend(file);
    }
    let deadlines = Deadlines {
        handshake: options.handshake_timeout,
        connect: options.connect_timeout,
        ..Deadlines::default()
    };
    let limits = Limits { sessions: options.per_source, rate: options.rate };
    Ok(proxy::Config { users, deadlines, limits, no_look_ups: options.no_resolve })
}

/// Returns what reads the files again on SIGHUP, if there are any.
fn reload(options: &Socks5) -> Option<impl FnMut() -> Option<Reloaded>> {
    let fixed = fixed(options);
    let read = move || match again() {
        Ok((options, config)) => {
            let text = if self::fixed(&options) == fixed {
                "the settings are read again"
            } else {
                "the settings are read again, but for addresses, ports, MTU, egress and output: those take a new start"
            };
            // Nobody has to read it.
            let _ = writeln!(std::io::stderr(), "tun-demo: {text}");
            Some(Reloaded { config, rules: options.rules.in_order() })
        }
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "tun-demo: {failure}; the settings stay as they were");
            None
        }
    };
    (options.config.is_some() || options.users.is_some()).then_some(read)
}

/// Reads the command line and its files again.
fn again() -> Result<(Box<Socks5>, proxy::Config), Failure> {
    match config::parse(std::env::args_os().collect())? {
        Ok(Arguments { command: Command::Socks5(options) }) => {
            let config = proxy_of(&options)?;
            Ok((options, config))
        }
        Ok(_) => Err(Failure::new(FAILED, "the command line has become another one")),
        Err(error) => Err(Failure::new(USAGE, error.to_string())),
    }
}

/// Returns what cannot change while the program runs.
fn fixed(options: &Socks5) -> impl PartialEq + use<> {
    let stack = (options.tun.clone(), options.addr, options.addr6, options.port, options.mtu, options.ladder);
    (
        stack,
        options.listen.clone(),
        options.most,
        options.egress.clone(),
        options.control.clone(),
        options.top,
        options.setup,
        options.trace.clone(),
    )
}

fn say_limited(summary: &Summary, out: &mut impl Write) -> std::io::Result<()> {
    match summary.limited {
        0 => Ok(()),
        many => writeln!(out, "  {many} sessions refused by --per-source and --rate"),
    }
}

/// Says who may use it, which way it goes out, and how to try it.
fn say_ways(
    options: &Socks5,
    users: &Users,
    at: Option<SocketAddr>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    match &options.egress {
        Way::Host => {}
        Way::Stack => writeln!(out, "  goes out through the stack: both legs of a connection are its own")?,
        Way::Upstream(upstream) => writeln!(out, "  goes out through {upstream}")?,
    }
    let login = match users.first() {
        Some(user) => {
            writeln!(out, "  asks for a user name and password ({} known)", users.len())?;
            format!("--proxy-user {user}:PASSWORD ")
        }
        None => String::new(),
    };
    if let Some(at) = at {
        writeln!(out, "  try it:  curl {login}--socks5-hostname {at} https://example.org/")?;
    }
    shown::say(options, out)
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
    users: &Users,
    name: &str,
    listeners: &[SocketAddr],
    out: &mut impl Write,
) -> std::io::Result<()> {
    writeln!(out, "tun-demo {} on {name}, MTU {}", env!("CARGO_PKG_VERSION"), options.mtu)?;
    for listener in listeners {
        writeln!(out, "  SOCKS5 at {listener}")?;
    }
    let at = SocketAddr::new(options.addr.0.into(), options.port);
    say_ways(options, users, Some(at), out)?;
    say_forwarding(options, name, listeners, out)?;
    writeln!(out, "  Ctrl-C closes the connections and removes {name}; a second one does so at once")?;
    out.flush()
}

/// Says what the host does for the stack's way out, or what it would have to do.
fn say_forwarding(
    options: &Socks5,
    name: &str,
    listeners: &[SocketAddr],
    out: &mut impl Write,
) -> std::io::Result<()> {
    let plan = Plan::new(name, listeners.iter().map(SocketAddr::ip));
    if options.egress != Way::Stack {
        return Ok(());
    }
    if options.setup {
        return writeln!(out, "  this host forwards and masquerades for it until the end");
    }
    writeln!(out, "  beyond this host it needs --setup, or that you have typed:")?;
    for line in plan.lines() {
        writeln!(out, "    {line}")?;
    }
    Ok(())
}

fn sum_up(summary: &Summary, name: &str, out: &mut impl Write) -> Result<(), Failure> {
    let (counters, load) = (summary.counters, summary.load);
    let lasted = summary.lasted.as_secs_f64();
    writeln!(out, "\n{name} is removed after {lasted:.1} s")?;
    writeln!(out, "  {} connections accepted, {} refused by limits", counters.accepted, counters.refused)?;
    say_limited(summary, out)?;
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
