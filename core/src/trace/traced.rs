//! A machine whose changes of state are recorded, without a line of tracing in the machine.

use super::{Recorder, Sink};
use crate::file::{Receiver, Sender};
use crate::machine::Machine;
use crate::relay::{Relay, State as RelayState};
use crate::socks::{AnyServer, State as SocksState};
use crate::socks5::{Client, ClientState, Server, State as ServerState};
use crate::time::{Instant, Patience};
use core::fmt;

/// A kind of machine above TCP, by its number in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum App {
    /// [`socks5::Server`](Server).
    Socks5Server = 0,
    /// [`socks5::Client`](Client).
    Socks5Client = 1,
    /// [`Relay`].
    Relay = 2,
    /// [`socks4::Server`](crate::socks4::Server).
    Socks4Server = 3,
    /// [`socks4::Client`](crate::socks4::Client).
    Socks4Client = 4,
    /// [`file::Receiver`](Receiver).
    FileReceiver = 5,
    /// [`file::Sender`](Sender).
    FileSender = 6,
}

impl App {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Socks5Server,
        Self::Socks5Client,
        Self::Relay,
        Self::Socks4Server,
        Self::Socks4Client,
        Self::FileReceiver,
        Self::FileSender,
    ];

    /// Returns the kind with this number.
    pub const fn from_u8(number: u8) -> Option<Self> {
        if (number as usize) < Self::ALL.len() { Some(Self::ALL[number as usize]) } else { None }
    }

    /// Writes the name of the state with this number, or the number itself when there is none.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_state(self, state: u8, f: &mut impl fmt::Write) -> fmt::Result {
        let at = usize::from(state);
        match self {
            Self::Socks5Server => name(ServerState::ALL.get(at), state, f),
            Self::Socks5Client => name(ClientState::ALL.get(at), state, f),
            Self::Relay => name(RelayState::ALL.get(at), state, f),
            Self::Socks4Server => name(crate::socks4::State::ALL.get(at), state, f),
            Self::Socks4Client => name(crate::socks4::ClientState::ALL.get(at), state, f),
            Self::FileReceiver => name(crate::file::State::ALL.get(at), state, f),
            Self::FileSender => name(crate::file::SenderState::ALL.get(at), state, f),
        }
    }
}

impl fmt::Display for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Socks5Server | Self::Socks5Client => "socks5",
            Self::Relay => "relay",
            Self::Socks4Server | Self::Socks4Client => "socks4",
            Self::FileReceiver | Self::FileSender => "file",
        })
    }
}

fn name(state: Option<&impl fmt::Debug>, number: u8, f: &mut impl fmt::Write) -> fmt::Result {
    match state {
        Some(state) => write!(f, "{state:?}"),
        None => write!(f, "{number}"),
    }
}

/// What a trace needs to know of a machine.
pub trait Watched {
    /// Returns which machine it is.
    fn app(&self) -> App;

    /// Returns the number of the state it is in.
    fn number(&self) -> u8;

    /// Returns the reply code that belongs to the state; 0 where none does.
    fn reply(&self) -> u8 {
        0
    }
}

impl<const N: usize> Watched for Server<N> {
    fn app(&self) -> App {
        App::Socks5Server
    }

    fn number(&self) -> u8 {
        self.state() as u8
    }

    fn reply(&self) -> u8 {
        self.refusal().map_or(0, crate::socks5::Refusal::code)
    }
}

impl<const N: usize> Watched for AnyServer<N> {
    fn app(&self) -> App {
        match self {
            Self::V4(_) => App::Socks4Server,
            Self::V5(_) => App::Socks5Server,
        }
    }

    fn number(&self) -> u8 {
        match self.state() {
            SocksState::V4(state) => state as u8,
            SocksState::V5(state) => state as u8,
        }
    }

    fn reply(&self) -> u8 {
        self.refusal().map_or(0, crate::socks5::Refusal::code)
    }
}

impl<B: AsRef<[u8]>> Watched for Client<B> {
    fn app(&self) -> App {
        App::Socks5Client
    }

    fn number(&self) -> u8 {
        self.state() as u8
    }

    fn reply(&self) -> u8 {
        self.refusal().map_or(0, crate::socks5::Refusal::code)
    }
}

impl<B: AsRef<[u8]>> Watched for crate::socks4::Client<B> {
    fn app(&self) -> App {
        App::Socks4Client
    }

    fn number(&self) -> u8 {
        self.state() as u8
    }
}

impl<const N: usize> Watched for Receiver<N> {
    fn app(&self) -> App {
        App::FileReceiver
    }

    fn number(&self) -> u8 {
        self.state() as u8
    }

    fn reply(&self) -> u8 {
        self.refusal().map_or(0, crate::file::Refusal::code)
    }
}

impl<B: AsRef<str>> Watched for Sender<B> {
    fn app(&self) -> App {
        App::FileSender
    }

    fn number(&self) -> u8 {
        self.state() as u8
    }

    fn reply(&self) -> u8 {
        self.refusal().map_or(0, crate::file::Refusal::code)
    }
}

impl Watched for Relay {
    fn app(&self) -> App {
        App::Relay
    }

    fn number(&self) -> u8 {
        self.state() as u8
    }
}

/// A machine, lent together with the recorder that is told when its state changes.
///
/// With `()` as the sink nothing of it is left in the program.
#[derive(Debug)]
pub struct Traced<'a, M, S> {
    machine: &'a mut M,
    recorder: &'a mut Recorder<S>,
    flow: u32,
    now: Instant,
}

impl<'a, M: Watched, S: Sink> Traced<'a, M, S> {
    /// Watches `machine`, which serves the connection `flow`, at this moment.
    pub const fn new(machine: &'a mut M, recorder: &'a mut Recorder<S>, flow: u32, now: Instant) -> Self {
        Self { machine, recorder, flow, now }
    }

    /// Returns the machine.
    pub const fn machine(&self) -> &M {
        self.machine
    }

    /// Does something to the machine and records the change of state that it makes.
    pub fn step<R>(&mut self, verb: impl FnOnce(&mut M) -> R) -> R {
        let before = self.machine.number();
        let result = verb(self.machine);
        let after = self.machine.number();
        if before != after {
            let reply = self.machine.reply();
            self.recorder.app(self.now, self.flow, self.machine.app() as u8, (before, after), reply);
        }
        result
    }
}

impl<M: Machine + Watched, S: Sink> Machine for Traced<'_, M, S> {
    type Event<'e>
        = M::Event<'e>
    where
        Self: 'e;
    type Error = M::Error;
    type State = M::State;

    fn feed(&mut self, input: &[u8]) -> usize {
        self.step(|machine| machine.feed(input))
    }

    fn end(&mut self) {
        self.step(M::end);
    }

    fn drain(&mut self, output: &mut [u8]) -> usize {
        self.step(|machine| machine.drain(output))
    }

    fn poll(&self) -> nb::Result<M::Event<'_>, M::Error> {
        self.machine.poll()
    }

    fn state(&self) -> M::State {
        self.machine.state()
    }

    fn patience(&self) -> Option<Patience> {
        self.machine.patience()
    }

    fn expire(&mut self) {
        self.step(M::expire);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socks5::{Event, Login, Refusal};
    use crate::trace::{Ring, View};

    #[test]
    fn each_change_of_a_watched_machine_is_one_event() {
        let mut recorder = Recorder::new(Ring::<8, 2>::new());
        let mut server: Server = Server::new(Login::Open);
        let mut traced = Traced::new(&mut server, &mut recorder, 7, Instant::from_micros(5));
        assert_eq!(traced.feed(&[5, 1, 0]), 3);
        traced.drain(&mut [0; 2]);
        traced.feed(&[5, 1, 0, 1, 192, 0, 2, 1, 0, 80]);
        assert!(matches!(traced.poll(), Ok(Event::Request(_))));
        traced.step(|server| server.answer(Err(Refusal::ConnectionRefused)));
        traced.drain(&mut [0; 32]);
        let seen = recorder.sink().events().map(|event| event.view());
        let app = |states, reply| Some(View::App { machine: 0, states, reply });
        assert!(seen.eq([app((0, 3), 0), app((3, 4), 0), app((4, 6), 5), app((6, 7), 5)]));
    }
}
