//! `tun-demo ping`: how long echoes take.

use super::flags::Ping;
use crate::exit::{ADDRESS, FAILED, Failure, USAGE};
use crate::lockdown;
use crate::transfer::meter::Meter;
use crate::transfer::stack;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use sockhop_hosted::engine::Engine;
use sockhop_hosted::front::HostFront;
use sockhop_hosted::ping::{Means, Pinging};
use sockhop_hosted::serve::Loop;
use sockhop_hosted::via::{DialError, Road, target};
use std::io::Write;
use std::net::TcpStream;

/// Sends the probes and tells what became of them.
pub(crate) fn run(options: &Ping, out: &mut impl Write) -> Result<(), Failure> {
    let turns = Loop::new()?;
    let pinging =
        if options.from_stack { from_stack(options, turns, out)? } else { from_host(options, turns, out)? };
    write!(out, "{}", pinging.tally())?;
    out.flush()?;
    let (host, port) = &options.place;
    match (pinging.tally().answered(), pinging.is_broken()) {
        (0, _) => Err(Failure::new(
            FAILED,
            format!("no echo came from {host}:{port}: does `tun-demo echo` run there?"),
        )),
        (_, true) => Err(Failure::new(FAILED, format!("{host}:{port} ended the connection"))),
        (_, false) => Ok(()),
    }
}

fn token() -> Result<u64, Failure> {
    getrandom::u64().map_err(|error| Failure::new(FAILED, format!("no randomness: {error}")))
}

fn from_host(options: &Ping, turns: Loop, out: &mut impl Write) -> Result<Pinging, Failure> {
    let (host, port) = &options.place;
    let road = Road::find(host, *port, options.via.as_ref()).map_err(undialled)?;
    let mut front = HostFront::new(turns.registry().try_clone()?, Vec::new(), 1)?;
    lock(options)?;
    // The association lasts as long as this connection.
    let mut _association = None;
    let means = if options.udp {
        let (means, association) = datagrams(options, &road, &mut front)?;
        _association = association;
        means
    } else {
        let stream = road.dial().map_err(undialled)?;
        Means::Stream(front.adopt(turns.now(), stream)?)
    };
    let mut pinging = Pinging::new(means, token()?, options.count, options.interval, turns.now());
    turns.on_host(front, &mut pinging, |pinging, _| tell(options, pinging, out))?;
    tell(options, &mut pinging, out);
    Ok(pinging)
}

/// Returns how datagrams get there, and the connection that an association hangs on.
fn datagrams(
    options: &Ping,
    road: &Road<'_>,
    front: &mut HostFront,
) -> Result<(Means, Option<TcpStream>), Failure> {
    let (host, port) = &options.place;
    let any = |to: SocketAddr| -> IpAddr {
        if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
    };
    if let Some((stream, to)) = road.associate().map_err(undialled)? {
        let at = front.open_port_at(SocketAddr::new(any(to), 0))?;
        return Ok((Means::Association(at, to, target(host, *port)), Some(stream)));
    }
    let to = road.first().first().copied();
    let to = to.ok_or_else(|| Failure::new(ADDRESS, format!("{host}:{port} has no address")))?;
    Ok((Means::Datagrams(front.open_port_at(SocketAddr::new(any(to), 0))?, to), None))
}

/// Keeps no file, and says what holds.
fn lock(options: &Ping) -> Result<(), Failure> {
    let held = lockdown::enter_alone(&options.sandbox, None)?;
    if !options.quiet || options.sandbox.no_sandbox {
        writeln!(std::io::stderr(), "{held}")?;
    }
    Ok(())
}

fn from_stack(options: &Ping, mut turns: Loop, out: &mut impl Write) -> Result<Pinging, Failure> {
    let (host, port) = &options.place;
    let to = host.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, *port)).map_err(|_| {
        Failure::new(USAGE, format!("{host:?} is no address, and the stack resolves no names"))
    })?;
    let (mut tun, mut engine, unwatched) = stack::open(&options.stack)?;
    lock(options)?;
    let watching = unwatched.start();
    let ip = IpAddr::V4(options.stack.addr.0);
    let unreachable = || Failure::new(ADDRESS, format!("the stack cannot reach {to}: is it IPv4?"));
    let means = if options.udp {
        Means::Datagrams(engine.open_port(ip).filter(|_| to.is_ipv4()).ok_or_else(unreachable)?, to)
    } else {
        Means::Stream(engine.connect(turns.now(), SocketAddr::new(ip, 0), to).ok_or_else(unreachable)?)
    };
    let mut pinging = Pinging::new(means, token()?, options.count, options.interval, turns.now());
    turns.on_stack(&mut tun, &mut engine, &mut pinging, |pinging, engine: &mut Engine<Meter>, _| {
        if !watching.look(engine) {
            tell(options, pinging, out);
        }
    })?;
    watching.finish(&mut engine)?;
    tell(options, &mut pinging, out);
    Ok(pinging)
}

/// Prints the echoes that have come.
fn tell(options: &Ping, pinging: &mut Pinging, out: &mut impl Write) {
    while let Some((number, took)) = pinging.next_echo() {
        if !options.quiet {
            // Whoever reads no more still gets the sums' exit code.
            let _ = writeln!(out, "{number:>6}  {:.3} ms", took.as_secs_f64() * 1_000.0)
                .and_then(|()| out.flush());
        }
    }
}

fn undialled(error: DialError) -> Failure {
    let code = match error {
        DialError::Host(..) => ADDRESS,
        DialError::Server(..) => FAILED,
    };
    Failure::new(code, error.to_string())
}
