//! What holds for every input, as plain functions.

use core::net::{Ipv4Addr, SocketAddr};
use sockhop::machine::Machine;
use sockhop::socks::AnyServer;
use sockhop::socks4;
use sockhop::socks5::udp::{Datagram, HEADER, prepend};
use sockhop::socks5::{Client, ClientEvent, Command, Error, Event, Login, Refusal, Server, State};
use sockhop::wire::{Host, HostOf, Target, TargetOf};

/// Returns the committed inputs of a fuzz target.
///
/// # Panics
/// The repository is not whole.
pub fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = format!("{}/../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    entries.map(|entry| std::fs::read(entry.expect("readable").path()).expect("readable")).collect()
}

/// What a server told its owner and its peer, and what it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript<S = State> {
    /// The events, printed, in order and without repetition.
    pub events: Vec<String>,
    /// The octets sent.
    pub said: Vec<u8>,
    /// How many octets were taken.
    pub taken: usize,
    /// The last state.
    pub state: Option<S>,
}

impl<S> Default for Transcript<S> {
    fn default() -> Self {
        Self { events: vec![], said: vec![], taken: 0, state: None }
    }
}

/// The name of every address that is asked for here.
const NAME: &[u8] = b"origin.example";

/// Our end of every connection that is granted here.
fn bound() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, 7), 4_096))
}

/// A server of any version, as its owner sees it; an error is told as it prints itself.
pub trait Serves {
    /// Where it stands.
    type State: Copy + PartialEq + core::fmt::Debug;
    /// [`Machine::feed`].
    fn hear(&mut self, input: &[u8]) -> usize;
    /// [`Machine::drain`].
    fn say(&mut self, output: &mut [u8]) -> usize;
    /// [`Machine::state`].
    fn stands(&self) -> Self::State;
    /// [`Machine::poll`].
    fn wants(&self) -> nb::Result<Event<'_>, String>;
    /// Says whether a name and a password are right.
    fn judged(&mut self, right: bool);
    /// Serves the request or refuses it.
    fn answered(&mut self, outcome: Result<SocketAddr, Refusal>);
    /// Answers a RESOLVE_PTR.
    fn named(&mut self, outcome: Result<&[u8], Refusal>);
    /// Names the peer of a BIND.
    fn accepted(&mut self, outcome: Result<SocketAddr, Refusal>);
}

macro_rules! serves {
    ($server:ty) => {
        impl Serves for $server {
            type State = <Self as Machine>::State;

            fn hear(&mut self, input: &[u8]) -> usize {
                Machine::feed(self, input)
            }

            fn say(&mut self, output: &mut [u8]) -> usize {
                Machine::drain(self, output)
            }

            fn stands(&self) -> Self::State {
                Machine::state(self)
            }

            fn wants(&self) -> nb::Result<Event<'_>, String> {
                Machine::poll(self).map_err(|error| error.map(|error| format!("{error:?}")))
            }

            fn judged(&mut self, right: bool) {
                <$server>::judge(self, right);
            }

            fn answered(&mut self, outcome: Result<SocketAddr, Refusal>) {
                <$server>::answer(self, outcome);
            }

            fn named(&mut self, outcome: Result<&[u8], Refusal>) {
                <$server>::name(self, outcome);
            }

            fn accepted(&mut self, outcome: Result<SocketAddr, Refusal>) {
                <$server>::accept(self, outcome);
            }
        }
    };
}

serves!(Server);
serves!(AnyServer);

/// Lets a SOCKS5 server hear `input` in pieces whose sizes come from `cuts`, with an owner that always decides the
/// same.
pub fn transcript(input: &[u8], cuts: &[usize], room: usize, login: Login) -> Transcript {
    let server: Server = Server::new(login);
    transcript_of(server, input, cuts, room)
}

/// The same with a server of any version.
pub fn transcript_of<M: Serves>(
    mut server: M,
    input: &[u8],
    cuts: &[usize],
    room: usize,
) -> Transcript<M::State> {
    let mut transcript = Transcript::default();
    let mut cuts = cuts.iter().copied().cycle();
    loop {
        settle(&mut server, &mut transcript, room);
        let rest = &input[transcript.taken..];
        let piece = cuts.next().unwrap_or(rest.len()).clamp(1, rest.len().max(1)).min(rest.len());
        let before = server.stands();
        let taken = server.hear(&rest[..piece]);
        assert!(taken <= piece, "no octet is taken that was not given");
        transcript.taken += taken;
        if taken == 0 && server.stands() == before {
            settle(&mut server, &mut transcript, room);
            transcript.state = Some(server.stands());
            return transcript;
        }
    }
}

/// Drains a server and answers it until it has nothing more to say.
fn settle<M: Serves>(server: &mut M, transcript: &mut Transcript<M::State>, room: usize) {
    loop {
        let mut out = vec![0; room.max(1)];
        let count = server.say(&mut out);
        transcript.said.extend_from_slice(&out[..count]);
        let polled = format!("{:?}", server.wants());
        assert_eq!(polled, format!("{:?}", server.wants()), "two polls in a row are equal");
        match server.wants() {
            Err(nb::Error::WouldBlock) if count > 0 => continue,
            Err(nb::Error::WouldBlock) => return,
            Ok(Event::Login { user, password }) => {
                let right = user.len() >= password.len();
                transcript.events.push(polled);
                server.judged(right);
            }
            Ok(Event::Request(request)) => {
                let refused = request.target.port == 9;
                transcript.events.push(polled);
                if request.command == Command::ResolvePtr {
                    server.named(if refused { Err(Refusal::HostUnreachable) } else { Ok(NAME) });
                } else {
                    server.answered(if refused { Err(Refusal::ConnectionRefused) } else { Ok(bound()) });
                }
            }
            Ok(Event::Accept) => {
                transcript.events.push(polled);
                server.accepted(Ok(bound()));
            }
            Ok(Event::Relay | Event::Close) | Err(nb::Error::Other(_)) => {
                if transcript.events.last() != Some(&polled) {
                    transcript.events.push(polled);
                }
                return;
            }
        }
    }
}

/// The transcript does not depend on how the input is cut nor on how small the buffers of `drain` are.
pub fn server_is_cut_invariant(input: &[u8]) {
    for login in [Login::Open, Login::Password] {
        let whole = transcript(input, &[usize::MAX], 64, login);
        for (cuts, room) in [(&[1_usize][..], 1), (&[2, 1, 3], 5), (&[7, 1], 2)] {
            assert_eq!(whole, transcript(input, cuts, room, login), "cut by {cuts:?}");
        }
        if let Some(first) = input.first() {
            let cut = usize::from(*first) + 1;
            assert_eq!(whole, transcript(input, &[cut], 3, login), "cut by {cut}");
        }
    }
}

/// The same for a server that takes any version.
pub fn any_server_is_cut_invariant(input: &[u8]) {
    for login in [Login::Open, Login::Password] {
        let hear = |cuts: &[usize], room| transcript_of(<AnyServer>::new(login), input, cuts, room);
        let whole = hear(&[usize::MAX], 64);
        for (cuts, room) in [(&[1_usize][..], 1), (&[2, 1, 3], 5), (&[9, 1], 2)] {
            assert_eq!(whole, hear(cuts, room), "cut by {cuts:?}");
        }
    }
}

/// A datagram that is read says what its octets say, and a header that is written for its source reads back.
pub fn datagram_is_read_back(input: &[u8]) {
    let Ok(datagram) = Datagram::parse(input) else { return };
    assert_eq!(input[2], 0, "no fragment is read");
    assert!(input.ends_with(datagram.payload), "the payload is what stands last");
    if let Host::Ip(ip) = datagram.target.host {
        let source = SocketAddr::new(ip, datagram.target.port);
        let mut whole = vec![0; HEADER + datagram.payload.len()];
        whole[HEADER..].copy_from_slice(datagram.payload);
        let begin = prepend(&mut whole, HEADER, source).expect("there is room");
        assert_eq!(whole[begin + 3..], input[3..], "but for RSV");
    }
}

/// At each of its prefixes a conversation that does not fail waits for more, and an end there is an error.
pub fn every_prefix_waits(input: &[u8], login: Login) {
    for length in 0..input.len() {
        let mut server: Server = Server::new(login);
        let mut transcript = Transcript::default();
        while transcript.taken < length {
            settle(&mut server, &mut transcript, 64);
            let taken = server.feed(&input[transcript.taken..length]);
            transcript.taken += taken;
            if taken == 0 {
                break;
            }
        }
        settle(&mut server, &mut transcript, 64);
        if matches!(server.state(), State::Greeting | State::Login | State::Request) {
            let state = server.state();
            server.end();
            assert_eq!(
                server.poll(),
                Err(nb::Error::Other(Error::Ended(state))),
                "ended after {length} octets"
            );
        }
    }
}

/// A client never takes octets behind the reply, never depends on cuts, and ends with an event or an error.
pub fn client_is_cut_invariant(input: &[u8]) {
    let target = Target { host: Host::Name(b"origin.example"), port: 80 };
    for command in Command::ALL {
        let login: Option<(&'static [u8], &'static [u8])> = Some((b"user", b"secret"));
        let client = Client::new(command, target, login).expect("the names fit");
        whole_equals_pieces(&client, input, |client, event| {
            note(client, event, Client::noted, Client::advance)
        });
    }
    socks4_client_is_cut_invariant(input);
}

/// The same for SOCKS4, whose replies have one form.
pub fn socks4_client_is_cut_invariant(input: &[u8]) {
    let target = Target { host: Host::Name(b"origin.example"), port: 80 };
    for command in [Command::Connect, Command::Bind] {
        let client = socks4::Client::new(command, target, &b"user"[..]).expect("it can be said");
        whole_equals_pieces(&client, input, |client, event| {
            note(client, event, socks4::Client::noted, |_, _| unreachable!("SOCKS4 looks nothing up"))
        });
    }
}

/// Retires an event by the verb it names, an octet of a name at a time; returns how many octets that takes from the
/// wire, or `None` if the event stands.
fn note<M>(
    client: &mut M,
    event: ClientEvent,
    noted: impl Fn(&mut M),
    advance: impl Fn(&mut M, u8),
) -> Option<usize> {
    match event {
        ClientEvent::Listening { .. } => {
            noted(client);
            Some(0)
        }
        ClientEvent::Name { .. } => {
            advance(client, 1);
            Some(1)
        }
        ClientEvent::Relay { .. } | ClientEvent::Resolved { .. } => None,
    }
}

fn whole_equals_pieces<M>(fresh: &M, input: &[u8], retire: impl Fn(&mut M, ClientEvent) -> Option<usize>)
where
    M: Machine + Clone + 'static,
    for<'e> M: Machine<Event<'e> = ClientEvent>,
    M::Error: core::fmt::Debug,
{
    let hear = |cut: usize| {
        let mut client = fresh.clone();
        let (mut taken, mut said, mut events) = (0, Vec::new(), Vec::new());
        loop {
            let mut out = vec![0; cut.min(64)];
            loop {
                let count = client.drain(&mut out);
                said.extend_from_slice(&out[..count]);
                if count == 0 {
                    break;
                }
            }
            let piece = &input[taken..(taken + cut).min(input.len())];
            let before = client.state();
            let count = client.feed(piece);
            taken += count;
            let event = client.poll().ok();
            // The rest of a name has not come yet.
            if matches!(event, Some(ClientEvent::Name { .. })) && taken == input.len() {
                return (events, format!("{:?}", client.poll()), taken, said);
            }
            let retired = event.and_then(|event| retire(&mut client, event).map(|count| (event, count)));
            if let Some((event, octets)) = retired {
                events.push(event);
                taken += octets;
            } else if count == 0 && client.state() == before {
                return (events, format!("{:?}", client.poll()), taken, said);
            }
        }
    };
    let whole = hear(input.len().max(1));
    for cut in [1, 2, 3, 5] {
        assert_eq!(whole, hear(cut), "cut by {cut}");
    }
}

/// A client and a server that talk through any cut of the wire agree on the request and on both addresses.
pub fn both_sides_agree(command: Command, name: &[u8], port: u16, login: bool, cut: usize) {
    let target = TargetOf { host: HostOf::Name(name.to_vec()), port };
    let credentials = login.then(|| (b"longer".to_vec(), b"word".to_vec()));
    let Ok(client) = Client::new(command, target.clone(), credentials) else {
        assert!(name.is_empty() || name.len() > 255, "only a name that does not fit is refused");
        return;
    };
    let asks = if login { Login::Password } else { Login::Open };
    let retire = |client: &mut _, event| note(client, event, Client::noted, Client::advance);
    let heard = converse(client, AnyServer::new(asks), retire, cut);
    assert_eq!(heard, (Some((command, target.to_string())), command == Command::Bind));
    let Ok(client) = socks4::Client::new(command, target.clone(), b"ann".to_vec()) else {
        assert!(
            !matches!(command, Command::Connect | Command::Bind) || name.contains(&0),
            "only what it has no word for is refused"
        );
        return;
    };
    let retire = |client: &mut _, event| {
        note(client, event, socks4::Client::noted, |_, _| unreachable!("SOCKS4 looks nothing up"))
    };
    let heard = converse(client, AnyServer::new(Login::Open), retire, cut);
    assert_eq!(heard, (Some((command, target.to_string())), command == Command::Bind));
}

/// Lets them talk until the client is granted what it asked for; returns what that was, and whether it was told of a
/// listener before.
fn converse<C>(
    mut client: C,
    mut server: AnyServer,
    retire: impl Fn(&mut C, ClientEvent) -> Option<usize>,
    cut: usize,
) -> (Option<(Command, String)>, bool)
where
    for<'e> C: Machine<Event<'e> = ClientEvent> + 'static,
{
    let peer = SocketAddr::from(([192, 0, 2, 77], 7_777));
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let (mut heard, mut listened, mut named) = (None, false, Vec::new());
    let cut = cut.clamp(1, 600);
    for _ in 0..4_000 {
        let mut out = vec![0; cut];
        let count = client.drain(&mut out);
        up.extend_from_slice(&out[..count]);
        let taken = server.feed(&up[..up.len().min(cut)]);
        up.drain(..taken);
        match server.poll() {
            Ok(Event::Login { .. }) => server.judge(true),
            Ok(Event::Request(request)) => {
                let command = request.command;
                heard = Some((command, request.target.to_string()));
                if command == Command::ResolvePtr {
                    server.name(Ok(NAME))
                } else {
                    server.answer(Ok(bound()))
                }
            }
            Ok(Event::Accept) => server.accept(Ok(peer)),
            Ok(Event::Relay | Event::Close) | Err(_) => {}
        }
        let count = server.drain(&mut out);
        down.extend_from_slice(&out[..count]);
        let taken = client.feed(&down[..down.len().min(cut)]);
        down.drain(..taken);
        match client.poll() {
            Ok(ClientEvent::Listening { at }) => {
                assert_eq!(at, Some(bound()));
                listened = true;
                retire(&mut client, ClientEvent::Listening { at });
            }
            Ok(event @ ClientEvent::Name { .. }) if !down.is_empty() => {
                named.push(down[0]);
                down.drain(..retire(&mut client, event).unwrap_or(0));
            }
            Ok(ClientEvent::Resolved { ip }) => {
                let asked = heard.as_ref().map(|(command, _)| *command);
                let (told, left) = match asked {
                    Some(Command::ResolvePtr) => (None, &[0, 0][..]),
                    _ => (Some(bound().ip()), &[][..]),
                };
                assert_eq!((ip, &named[..]), (told, if ip.is_none() { NAME } else { b"" }));
                assert!(left.starts_with(&down), "but for the port of a name nothing is left over");
                // The server has yet to see that its last octet is gone.
                server.drain(&mut [0; 8]);
                assert!(matches!(server.poll(), Ok(Event::Close)));
                return (heard, listened);
            }
            Ok(ClientEvent::Relay { bound: told }) => {
                assert_eq!(told, Some(if listened { peer } else { bound() }));
                assert!(matches!(server.poll(), Ok(Event::Relay)) && down.is_empty(), "nothing is left over");
                return (heard, listened);
            }
            Ok(ClientEvent::Name { .. }) | Err(_) => {}
        }
    }
    panic!("client in {:?} and server in {:?} wait for each other", client.state(), server.state());
}
