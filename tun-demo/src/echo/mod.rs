//! `tun-demo echo`: what comes is sent back, by TCP and UDP.

pub(crate) mod flags;
pub(crate) mod ping;

use crate::exit::Failure;
use crate::lockdown;
use crate::socks5::cannot_listen;
use crate::transfer::meter::Meter;
use crate::transfer::stack;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use sockhop_hosted::echo::{Counted, Echo};
use sockhop_hosted::engine::Engine;
use sockhop_hosted::front::{self, HostFront};
use sockhop_hosted::serve::Loop;
use std::io::Write;

/// Connections that are served at once.
const MOST: usize = 4_096;

/// Echoes until Ctrl-C.
pub(crate) fn run(options: &flags::Echo) -> Result<(), Failure> {
    let turns = Loop::new()?;
    let mut echo = Echo::default();
    if options.on_stack {
        on_stack(options, turns, &mut echo)?;
    } else {
        on_host(options, turns, &mut echo)?;
    }
    sum_up(echo.counted(), &mut std::io::stdout())
}

fn on_host(options: &flags::Echo, turns: Loop, echo: &mut Echo) -> Result<(), Failure> {
    let everywhere = [SocketAddr::from((Ipv4Addr::UNSPECIFIED, flags::PORT))];
    let at = if options.listen.is_empty() { &everywhere[..] } else { &options.listen };
    let streams = if options.udp { &[][..] } else { at };
    let streams = front::listen(streams).map_err(|error| cannot_listen(&error))?;
    let mut front = HostFront::new(turns.registry().try_clone()?, streams, MOST)?;
    // Where the host chooses a port, both protocols get the same one.
    let listens = front.listens_at()?;
    let mut places = Vec::new();
    for at in if options.udp { at } else { &listens } {
        let named = |error: std::io::Error| std::io::Error::new(error.kind(), format!("{at}: {error}"));
        places.push(front.open_port_at(*at).map_err(|error| cannot_listen(&named(error)))?);
    }
    greet(options, &places, &lockdown::enter_alone(&options.sandbox, None)?)?;
    Ok(turns.on_host(front, echo, |_, _| {})?)
}

fn on_stack(options: &flags::Echo, mut turns: Loop, echo: &mut Echo) -> Result<(), Failure> {
    let (mut tun, mut engine, unwatched) = stack::open(&options.stack)?;
    let at = SocketAddr::new(IpAddr::V4(options.stack.addr.0), flags::PORT);
    if !options.udp {
        engine.listen(at, 1);
    }
    engine.open_port_at(at);
    let held = lockdown::enter_alone(&options.sandbox, None)?;
    let watching = unwatched.start();
    greet(options, &[at], &held)?;
    turns.on_stack(&mut tun, &mut engine, echo, |_, engine: &mut Engine<Meter>, _| {
        watching.look(engine);
    })?;
    watching.finish(&mut engine)?;
    Ok(())
}

fn greet(options: &flags::Echo, places: &[SocketAddr], held: &str) -> Result<(), Failure> {
    writeln!(std::io::stderr(), "{held}")?;
    let what = if options.udp { "UDP" } else { "TCP and UDP" };
    let mut out = std::io::stdout();
    for at in places {
        writeln!(out, "echoing {what} at {at}")?;
    }
    Ok(out.flush()?)
}

fn sum_up(counted: Counted, out: &mut impl Write) -> Result<(), Failure> {
    let Counted { connections, octets, datagrams, dropped } = counted;
    writeln!(out, "\n{connections} connections with {octets} B, {datagrams} datagrams, {dropped} dropped")?;
    Ok(out.flush()?)
}
