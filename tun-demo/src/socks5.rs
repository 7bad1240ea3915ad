//! `tun-demo socks5`: the proxy on the stack behind a TUN device, or at a socket of this host.

use crate::args::{Arguments, Command, Locking, Net6, Socks5, host_of};
use crate::config;
use crate::descriptors;
use crate::exit::{ADDRESS, FAILED, Failure, PRIVILEGE, USAGE};
use crate::lockdown;
use crate::log::{self, Log};
use crate::printer::Page;
use crate::recording::{self, Ears, Watch};
use crate::service;
use crate::shown::{self, Shown};
use crate::top;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use sockhop::trace::Sink as _;
use sockhop_hosted::control::{Feed, Overheard};
use sockhop_hosted::egress::{Policy, Way};
use sockhop_hosted::engine;
use sockhop_hosted::forwarding::Plan;
use sockhop_hosted::listening::Listening;
use sockhop_hosted::metrics::Tally;
use sockhop_hosted::os;
use sockhop_hosted::proxy::{self, Deadlines, Limits};
use sockhop_hosted::report::Recording;
use sockhop_hosted::resolve::Names;
use sockhop_hosted::runtime::{Reloaded, Runtime, Serving, Summary, Told};
use sockhop_hosted::sandbox::Files;
use sockhop_hosted::tun::{self, Tun};
use sockhop_hosted::users::Users;
use std::io::Write;
use std::path::Path;

/// Serves until Ctrl-C.
pub(crate) fn run(options: &Socks5) -> Result<(), Failure> {
    if options.top {
        top::must_be_terminal("tun-demo socks5")?;
    }
    if !options.listen.is_empty() || options.service.activated {
        return listen(options);
    }
    if options.setup && options.egress != Way::Stack {
        return Err(Failure::new(USAGE, "--setup is for --egress stack: add that, or leave --setup out"));
    }
    let [one, two, prefix] = random()?;
    os::map_large_tables();
    let proxy = proxy_of(options, &Files::default())?;
    let users = proxy.users.clone();
    let stack = addresses(options, prefix)?;
    let hosts = hosts_of(&stack)?;
    let device = tun::Config {
        name: options.tun.clone(),
        addresses: hosts.clone(),
        mtu: options.mtu,
        offload: !options.no_offload,
    };
    let queues = Tun::open_queues(&device, options.workers)?;
    let (name, offload) = (queues[0].name().to_owned(), queues[0].offload());
    let mut config = engine::Config::new(stack.clone(), options.mtu.into(), [one, two]);
    // Few connections get as much, many get less.
    config.limits.ring.1 = engine::LARGEST_RING;
    config.offload = true;
    let (recording, spool) = recording::begin(options.trace.as_deref(), "proxy")?;
    let feed = Feed::default();
    let ears = Ears::of(Watch { page: Page::default(), ladder: options.ladder, spool }, options.workers);
    let heard = |own| Tally::new(Overheard { own, feed: feed.clone() }, options.service.metrics.is_some());
    let engines = engine::several(&config, ears.into_iter().map(heard).collect());
    let listeners: Vec<SocketAddr> = stack.iter().map(|(ip, _)| SocketAddr::new(*ip, options.port)).collect();
    let own: Vec<IpAddr> = stack.iter().map(|(ip, _)| *ip).collect();
    let (mut plan, screen) = shown::plan(options, &name, own.clone(), Some(feed))?;
    let applied = options.setup.then(|| Plan::new(&name, own.clone()).apply()).transpose()?;
    let before = service::prepare(&options.service, options.workers)?;
    let locked = lockdown::enter(options, (applied, plan.unname()))?;
    let policy = policy(options, own, &hosts, locked.names.clone());
    let began = std::time::Instant::now();
    let serving =
        Serving { listeners: listeners.clone(), config: proxy, policy, way: options.egress.clone(), began };
    let runtime = Runtime::new(queues.into_iter().zip(engines).collect(), &serving)?;
    let runtime = runtime.asked_by(plan)?.keeping(before.upkeep()?);
    let log = Log::new(options.service.log);
    let mut said = Vec::new();
    greet(options, &users, (&name, offload), &listeners, &locked.held, &mut said)?;
    log.screen(&said)?;
    // Threads start behind the runtime, which has blocked the signals that they are not to take.
    let several = options.workers > 1;
    let recording = recording.map(|file| file.merging(several).start());
    let shown = Shown::begin(screen, several);
    let served = serve(runtime, &shown, options.service.log, reload(options, &locked.files, &log));
    // What was set up is undone before that is said.
    drop(locked);
    let recorded = (recording, options.trace.as_deref());
    conclude(served, shown, recorded, &name, &log)
}

/// Waits for what is still to be printed and written, and says what the run came to.
fn conclude(
    served: std::io::Result<(Summary, Watch)>,
    shown: Shown,
    (recording, path): (Option<Recording>, Option<&Path>),
    name: &str,
    log: &Log,
) -> Result<(), Failure> {
    let (summary, watch) = match served {
        Ok(served) => served,
        Err(error) => {
            // What has led to it is wanted more than ever, and what keeps it from being written is said by itself.
            recording.map(Recording::salvage).transpose()?;
            return Err(error.into());
        }
    };
    shown.finish(watch.page)?;
    let mut said = Vec::new();
    sum_up(&summary, name, &mut said)?;
    let recorded = recording.zip(watch.spool);
    let recorded = recorded.map(|(recording, spool)| recording::say(recording, spool, path, &mut said));
    log.screen(&said)?;
    recorded.unwrap_or(Ok(()))
}

/// Returns numbers that nobody can predict.
fn random() -> Result<[u64; 3], Failure> {
    let mut octets = [[0; 8]; 3];
    getrandom::fill(octets.as_flattened_mut())
        .map_err(|error| Failure::new(FAILED, format!("no randomness: {error}")))?;
    Ok(octets.map(u64::from_ne_bytes))
}

/// Serves until Ctrl-C, and shows and records what there is; returns what is not yet shown at the end, too.
fn serve(
    runtime: Runtime<Overheard<Ears>>,
    shown: &Shown,
    log: log::Format,
    reload: Option<impl FnMut() -> Option<Reloaded>>,
) -> std::io::Result<(Summary, Watch)> {
    let teller = || {
        let (log, pages) = (Log::new(log), shown.pages());
        move |told: Told<'_>, sink: &mut Overheard<Ears>| match told {
            // A report stands behind the events of its session.
            Told::Ended(report) => {
                let line = log.session(report);
                sink.own.with(|watch| {
                    watch.page.say(line);
                    pages.offer(&mut watch.page);
                });
            }
            Told::Round(until) if sink.own.enabled() => sink.own.with(|watch| {
                watch.page.advance(until);
                pages.offer(&mut watch.page);
                if let Some(spool) = &mut watch.spool {
                    spool.advance(until);
                    spool.offer();
                }
            }),
            Told::Round(_) => {}
        }
    };
    let (summary, sinks) = runtime.run(teller, reload)?;
    let watch = sinks.into_iter().next().map(|mut sink| sink.own.with(core::mem::take));
    Ok((summary, watch.unwrap_or_default()))
}

/// Returns who may go where from a stack with these addresses, whose host has those at the TUN.
fn policy(options: &Socks5, own: Vec<IpAddr>, hosts: &[(IpAddr, u8)], names: Names) -> Policy {
    Policy {
        own,
        tun: hosts.iter().map(|(ip, _)| *ip).collect(),
        from_stack: options.egress == Way::Stack,
        rules: options.rules.in_order(),
        names,
        ..Policy::default()
    }
}

/// Serves at sockets of this host until Ctrl-C.
fn listen(options: &Socks5) -> Result<(), Failure> {
    if options.egress == Way::Stack {
        let text = "--egress stack needs the stack, and --listen has none: leave one of them out";
        return Err(Failure::new(USAGE, text));
    }
    let proxy = proxy_of(options, &Files::default())?;
    let users = proxy.users.clone();
    let listeners = service::listeners(options)?;
    let (mut plan, screen) = shown::plan(options, "listen", Vec::new(), None)?;
    let before = service::prepare(&options.service, 1)?;
    let locked = lockdown::enter(options, plan.unname())?;
    let (rules, names) = (options.rules.in_order(), locked.names.clone());
    let policy = Policy { rules, names, ..Policy::default() };
    let listening = Listening::new(listeners, options.most, proxy, policy, options.egress.clone())?;
    let listening = listening.asked_by(plan)?.keeping(before.upkeep()?);
    let log = Log::new(options.service.log);
    let at = listening.listens_at()?;
    let mut out = Vec::new();
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
    // A socket to the client, and one to where he wants to go.
    descriptors::take(options.most, 2, &mut out)?;
    writeln!(out, "  {}", locked.held)?;
    writeln!(out, "  Ctrl-C closes the connections; a second one does so at once")?;
    log.screen(&out)?;
    let shown = Shown::begin(screen, false);
    let (pages, mut page) = (shown.pages(), Page::default());
    let summary = listening.run(
        |report| {
            if let Some(report) = report {
                page.say(log.session(report));
            }
            pages.offer(&mut page);
        },
        reload(options, &locked.files, &log),
    )?;
    drop(locked);
    shown.finish(page)?;
    let mut out = Vec::new();
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
    Ok(log.screen(&out)?)
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
fn proxy_of(options: &Socks5, files: &Files) -> Result<proxy::Config, Failure> {
    let mut users = Users::default();
    for (name, password) in &options.user {
        users.add(name, password);
    }
    if let Some(path) = &options.users {
        let shown = path.display();
        let text = files.read(path).map_err(|error| {
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
fn reload(options: &Socks5, files: &Files, log: &Log) -> Option<impl FnMut() -> Option<Reloaded> + use<>> {
    let (fixed, files, log) = (fixed(options), files.clone(), log.clone());
    let read = move || match again(&files) {
        Ok((options, config)) => {
            let text = if self::fixed(&options) == fixed {
                "the settings are read again"
            } else {
                "the settings are read again, but for addresses, ports, MTU, egress and output: those take a new start"
            };
            log.notice(text);
            Some(Reloaded { config, rules: options.rules.in_order() })
        }
        Err(failure) => {
            log.notice(&format!("{failure}; the settings stay as they were"));
            None
        }
    };
    (options.config.is_some() || options.users.is_some()).then_some(read)
}

/// Reads the command line and its files again.
fn again(files: &Files) -> Result<(Box<Socks5>, proxy::Config), Failure> {
    match config::parse(std::env::args_os().collect(), files)? {
        Ok(Arguments { command: Command::Socks5(options) }) => {
            let config = proxy_of(&options, files)?;
            Ok((options, config))
        }
        Ok(_) => Err(Failure::new(FAILED, "the command line has become another one")),
        Err(error) => Err(Failure::new(USAGE, error.to_string())),
    }
}

/// Returns what cannot change while the program runs.
fn fixed(options: &Socks5) -> impl PartialEq + use<> {
    let stack = (options.tun.clone(), options.addr, options.addr6, options.port, options.mtu, options.ladder);
    let shown = (options.control.clone(), options.top, options.trace.clone());
    let Locking { sandbox, names } = &options.locking;
    let locking = (sandbox.run_as.clone(), sandbox.no_sandbox, *names);
    let service =
        (options.service.activated, options.service.log, options.service.metrics, options.service.drain);
    let ways =
        (options.listen.clone(), options.most, options.egress.clone(), options.setup, options.no_offload);
    (stack, ways, options.workers, shown, locking, service)
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
        None if !Path::new("/proc/net/if_inet6").exists() => {}
        None => {
            let prefix = 0xfd00_u128 << 112 | u128::from(random & 0xff_ffff_ffff) << 80;
            stack.push((IpAddr::V6(Ipv6Addr::from_bits(prefix | 2)), 126));
        }
    }
    Ok(stack)
}

/// Returns the host's addresses in the same networks.
fn hosts_of(stack: &[(IpAddr, u8)]) -> Result<Vec<(IpAddr, u8)>, Failure> {
    let hosts = stack.iter().map(|&(ip, prefix)| host_of(ip, prefix).map(|host| (host, prefix)));
    hosts.collect::<Result<_, _>>().map_err(|text| Failure::new(USAGE, text))
}

fn greet(
    options: &Socks5,
    users: &Users,
    (name, offload): (&str, tun::Offload),
    listeners: &[SocketAddr],
    held: &str,
    out: &mut impl Write,
) -> std::io::Result<()> {
    write!(out, "tun-demo {} on {name}, MTU {}, {offload}", env!("CARGO_PKG_VERSION"), options.mtu)?;
    writeln!(
        out,
        "{}",
        if options.workers > 1 { format!(", {} workers", options.workers) } else { String::new() }
    )?;
    for listener in listeners {
        writeln!(out, "  SOCKS5 at {listener}")?;
    }
    let at = SocketAddr::new(options.addr.0.into(), options.port);
    say_ways(options, users, Some(at), out)?;
    say_forwarding(options, name, listeners, out)?;
    // A client's own connection is the stack's, and takes none.
    descriptors::take(engine::Limits::default().flows, 1, out)?;
    writeln!(out, "  {held}")?;
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
