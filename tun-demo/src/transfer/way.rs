//! How files get to their receiver: from sockets of the host, or from a stack behind a TUN device.

use super::flags::Send;
use super::meter::{Counted, Meter};
use super::shown::Shown;
use super::stack::{self, Unwatched, Watching};
use crate::exit::{ADDRESS, FAILED, Failure, TRUNCATED, USAGE};
use core::net::{IpAddr, SocketAddr};
use sockhop::file::SenderError;
use sockhop_hosted::engine::Engine;
use sockhop_hosted::front::HostFront;
use sockhop_hosted::serve::Loop;
use sockhop_hosted::transfer::{FileSource, Progress, Sending, Sent};
use sockhop_hosted::tun::Tun;
use sockhop_hosted::via::{DialError, Road};

/// A way on which one file after another goes, each over its own connection.
pub(crate) enum Way<'a, W = Watching<'a>> {
    /// From the host, with names resolved.
    Host(Road<'a>),
    /// From a stack, which stays.
    Stack(Box<Stack<W>>),
}

pub(crate) struct Stack<W> {
    turns: Loop,
    tun: Tun,
    engine: Engine<Meter>,
    watching: W,
    local: SocketAddr,
    remote: SocketAddr,
}

impl<'a> Way<'a, Unwatched<'a>> {
    /// Opens what is needed later; no thread is started.
    pub(crate) fn open(options: &'a Send, host: &str, port: u16) -> Result<Self, Failure> {
        if !options.from_stack {
            return Road::find(host, port, options.via.as_ref()).map(Self::Host).map_err(undialled);
        }
        let remote = host.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port)).map_err(|_| {
            Failure::new(USAGE, format!("{host:?} is no address, and the stack resolves no names"))
        })?;
        let turns = Loop::new()?;
        let (tun, engine, watching) = stack::open(&options.stack)?;
        let local = SocketAddr::new(IpAddr::V4(options.stack.addr.0), 0);
        Ok(Self::Stack(Box::new(Stack { turns, tun, engine, watching, local, remote })))
    }

    /// Starts what watches a stack.
    pub(crate) fn start(self) -> Way<'a> {
        match self {
            Self::Host(road) => Way::Host(road),
            Self::Stack(stack) => {
                let Stack { turns, tun, engine, watching, local, remote } = *stack;
                let watching = watching.start();
                Way::Stack(Box::new(Stack { turns, tun, engine, watching, local, remote }))
            }
        }
    }
}

impl Way<'_> {
    /// Sends a file; a stack also says what it counted meanwhile.
    pub(crate) fn send(
        &mut self,
        source: FileSource,
        classic: bool,
    ) -> Result<(Sent, Option<Counted>), Failure> {
        match self {
            Self::Host(road) => Ok((from_host(road, source, classic)?, None)),
            Self::Stack(stack) => {
                let (sent, counted) = stack.send(source, classic)?;
                Ok((sent, Some(counted)))
            }
        }
    }

    /// Waits until everything that was watched is printed and written.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Host(_) => Ok(()),
            Self::Stack(mut stack) => stack.watching.finish(&mut stack.engine),
        }
    }
}

fn from_host(road: &Road<'_>, source: FileSource, classic: bool) -> Result<Sent, Failure> {
    let stream = road.dial().map_err(undialled)?;
    let turns = Loop::new()?;
    let mut front = HostFront::new(turns.registry().try_clone()?, Vec::new(), 1)?;
    let flow = front.adopt(turns.now(), stream)?;
    let mut sending = Sending::new(source, classic, flow, turns.now()).map_err(failed)?;
    let mut shown = Shown::new();
    let progress = progress_of(&sending);
    turns.on_host(front, &mut sending, |sending, _| shown.show(&progress(sending)))?;
    over(&sending, &mut shown)
}

impl Stack<Watching<'_>> {
    fn send(&mut self, source: FileSource, classic: bool) -> Result<(Sent, Counted), Failure> {
        let Self { turns, tun, engine, watching, local, remote } = self;
        let before = engine.sink().counted();
        let flow = engine
            .connect(turns.now(), *local, *remote)
            .ok_or_else(|| Failure::new(ADDRESS, format!("the stack cannot reach {remote}: is it IPv4?")))?;
        let mut sending = Sending::new(source, classic, flow, turns.now()).map_err(failed)?;
        let mut shown = Shown::new();
        let progress = progress_of(&sending);
        turns.on_stack(tun, engine, &mut sending, |sending, engine: &mut Engine<Meter>, _| {
            shown.show(&progress(sending));
            watching.look(engine);
        })?;
        Ok((over(&sending, &mut shown)?, engine.sink().counted().since(before)))
    }
}

fn progress_of(sending: &Sending) -> impl Fn(&mut Sending) -> Progress + use<> {
    let (name, size) = (sending.name().to_owned(), sending.size());
    move |sending| Progress { name: name.clone(), octets: sending.at(), size: Some(size) }
}

fn over(sending: &Sending, shown: &mut Shown) -> Result<Sent, Failure> {
    shown.forget(sending.name());
    sending.sent().cloned().ok_or_else(|| Failure::new(TRUNCATED, "stopped before the file was sent"))
}

fn failed(error: SenderError) -> Failure {
    Failure::new(USAGE, error.to_string())
}

fn undialled(error: DialError) -> Failure {
    let code = match error {
        DialError::Host(..) => ADDRESS,
        DialError::Server(..) => FAILED,
    };
    Failure::new(code, error.to_string())
}
