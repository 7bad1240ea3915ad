//! Each machine's drawing against the machine: every edge drawn is taken, and every edge taken is drawn.

use core::fmt::Debug;
use core::net::{Ipv4Addr, SocketAddr};
use sockhop::file::{self, Algorithms, Held, Leading, Stat, Sum};
use sockhop::machine::Machine;
use sockhop::relay::{Broken, Relay, Ring, Stream};
use sockhop::socks4;
use sockhop::socks5::{Client, ClientEvent, Command, Login, Refusal, Server};
use sockhop::wire::{Host, Target};
use sockhop_hosted::link::Dice;
use std::collections::BTreeSet;

type Edges = BTreeSet<(String, String)>;
/// A verb of an honest conversation.
type Step<'a, M> = &'a dyn Fn(&mut M);

/// Verbs that a conversation may meet, each leading on from any state.
const ROUNDS: usize = 7;
/// How many verbs a walk by chance is long, and how many walks are taken.
const WALK: (u64, u64) = (4, 6_000);

#[test]
fn the_servers_drawing_is_the_server() {
    let messages: [&[u8]; 12] = [
        &[5, 1, 0],
        &[5, 1, 2],
        &[5, 1, 9],
        &[4],
        &[1, 1, b'u', 1, b'p'],
        &[1, 0],
        &[5, 1, 0, 1, 192, 0, 2, 1, 0, 80],
        &[5, 2, 0, 1, 192, 0, 2, 1, 0, 80],
        &[5, 9, 0, 1, 192, 0, 2, 1, 0, 80],
        &[5, 0xf0, 0, 3, 1, b'a', 0, 0],
        &[5, 0xf1, 0, 1, 192, 0, 2, 1, 0, 0],
        &[5, 1, 0, 9],
    ];
    let answers = [Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 1))), Err(Refusal::General)];
    let mut taken = Edges::new();
    for login in [Login::Open, Login::Password] {
        // A small inbox: every way is taken, and each inside on it is printed to be known again.
        explore(Server::<16>::new(login), &mut taken, |server| {
            let mut next = common(server, &messages);
            if matches!(server.poll(), Ok(sockhop::socks5::Event::Login { .. })) {
                next.extend([true, false].map(|right| with(server, |server| server.judge(right))));
            }
            if let Ok(sockhop::socks5::Event::Request(request)) = server.poll() {
                if request.command == Command::ResolvePtr {
                    let names = [Ok(&b"a"[..]), Err(Refusal::General)];
                    next.extend(names.map(|name| with(server, |server| server.name(name))));
                    return next;
                }
                next.extend(answers.map(|answer| with(server, |server| server.answer(answer))));
            }
            if matches!(server.poll(), Ok(sockhop::socks5::Event::Accept)) {
                next.extend(answers.map(|answer| with(server, |server| server.accept(answer))));
            }
            next
        });
    }
    assert_eq!(taken, drawn(include_str!("../../core/src/socks5/server.rs")));
}

#[test]
fn the_socks4_servers_drawing_is_the_socks4_server() {
    let messages: [&[u8]; 5] = [
        b"\x04\x01\x00\x50\xc0\x00\x02\x01\0",
        b"\x04\x02\x00\x50\xc0\x00\x02\x01\0",
        b"\x04\x07\x00\x50\xc0\x00\x02\x01\0",
        b"\x05",
        b"\x04",
    ];
    let answers = [Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 1))), Err(Refusal::General)];
    let mut taken = Edges::new();
    explore(<socks4::Server>::new(), &mut taken, |server| {
        let mut next = common(server, &messages);
        match server.poll() {
            Ok(socks4::Event::Request { .. }) => {
                next.extend(answers.map(|answer| with(server, |server| server.answer(answer))));
            }
            Ok(socks4::Event::Accept) => {
                next.extend(answers.map(|answer| with(server, |server| server.accept(answer))));
            }
            Ok(socks4::Event::Relay) | Err(_) => {}
        }
        next
    });
    assert_eq!(taken, drawn(include_str!("../../core/src/socks4/server.rs")));
}

#[test]
fn the_clients_drawing_is_the_client() {
    let messages: [&[u8]; 9] = [
        &[5, 0],
        &[5, 0, 0, 3, 1, b'a', 0, 0],
        &[5, 2],
        &[5, 255],
        &[4],
        &[1, 0],
        &[1, 1],
        &[5, 0, 0, 1, 192, 0, 2, 1, 0, 80],
        &[5, 5, 0, 1, 192, 0, 2, 1, 0, 80],
    ];
    let target = Target { host: Host::Name(b"example.org"), port: 80 };
    let mut taken = Edges::new();
    for command in Command::ALL {
        for login in [None, Some((&b"u"[..], &b"p"[..]))] {
            let client = Client::new(command, target, login).expect("nothing is too long");
            explore(client, &mut taken, |client| {
                let mut next = common(client, &messages);
                match client.poll() {
                    Ok(ClientEvent::Listening { .. }) => next.push(with(client, Client::noted)),
                    Ok(ClientEvent::Name { left }) => {
                        next.push(with(client, |client| client.advance(left)));
                    }
                    Ok(ClientEvent::Relay { .. } | ClientEvent::Resolved { .. }) | Err(_) => {}
                }
                next
            });
        }
    }
    assert_eq!(taken, drawn(include_str!("../../core/src/socks5/client.rs")));
}

#[test]
fn the_socks4_clients_drawing_is_the_client() {
    let messages: [&[u8]; 3] = [b"\0\x5a\0\x50\xc0\0\x02\x01", b"\0\x5b\0\0\0\0\0\0", b"\x05"];
    let target = Target { host: Host::Name(b"example.org"), port: 80 };
    let mut taken = Edges::new();
    for command in [Command::Connect, Command::Bind] {
        let client = socks4::Client::new(command, target, &b"ann"[..]).expect("it can be said");
        explore(client, &mut taken, |client| {
            let mut next = common(client, &messages);
            if matches!(client.poll(), Ok(ClientEvent::Listening { .. })) {
                next.push(with(client, socks4::Client::noted));
            }
            next
        });
    }
    assert_eq!(taken, drawn(include_str!("../../core/src/socks4/client.rs")));
}

#[test]
fn the_file_receivers_drawing_is_the_receiver() {
    let (safe, unsafe_name, empty) = (offer(b"a", 2), offer(b"..", 2), offer(b"a", 0));
    let (start, elsewhere, sum) = ([0; 8], [9; 8], [7; 32]);
    let messages: [&[u8]; 10] = [
        &safe,
        &unsafe_name,
        &unsafe_name[1..],
        &empty,
        &safe[1..],
        b"name",
        b"..",
        &start,
        &elsewhere,
        &sum,
    ];
    let mut taken = Edges::new();
    let honest: [Step<'_, file::Receiver>; 11] = [
        &|receiver| assert_eq!(receiver.feed(&safe), 1),
        &|receiver| assert_eq!(receiver.feed(&safe[1..]), safe.len() - 1),
        &|receiver| receiver.accept(Held { octets: 0, sum: Sum([0; 32]) }),
        &|receiver| assert!(receiver.drain(&mut [0; 64]) > 0),
        &|receiver| assert_eq!(receiver.feed(&start), 8),
        &file::Receiver::begin,
        &|receiver| receiver.advance(2),
        &|receiver| assert_eq!(receiver.feed(&sum), 32),
        &|receiver| receiver.verify(Sum(sum)),
        &file::Receiver::commit,
        &|receiver| assert_eq!(receiver.drain(&mut [0; 64]), 2),
    ];
    let classic: [Step<'_, file::Receiver>; 7] = [
        &|receiver| assert_eq!(receiver.feed(b"name"), 1),
        &|receiver| assert_eq!(receiver.feed(b"ame"), 3),
        &|receiver| receiver.expire(),
        &|receiver| receiver.accept(Held { octets: 0, sum: Sum([0; 32]) }),
        &|receiver| assert_eq!(receiver.drain(&mut [0; 64]), 2),
        &|receiver| receiver.end(),
        &file::Receiver::commit,
    ];
    let nothing: [Step<'_, file::Receiver>; 6] = [
        &|receiver| assert_eq!(receiver.feed(&empty), 1),
        &|receiver| assert_eq!(receiver.feed(&empty[1..]), empty.len() - 1),
        honest[2],
        honest[3],
        honest[4],
        &file::Receiver::begin,
    ];
    let refused: [Step<'_, file::Receiver>; 5] = [
        honest[0],
        honest[1],
        &|receiver| receiver.refuse(file::Refusal::Exists),
        &|receiver| assert!(receiver.drain(&mut [0; 64]) > 0),
        &file::Receiver::finish,
    ];
    for way in [&honest[..], &classic, &nothing, &refused] {
        wander(file::Receiver::new(Algorithms::ALL, Leading::Plain), way, &mut taken, |receiver| {
            receiver_verbs(receiver, &messages)
        });
    }
    assert_eq!(taken, drawn(include_str!("../../core/src/file/receiver/mod.rs")));
}

/// Returns a framed offer.
fn offer(name: &[u8], size: u64) -> Vec<u8> {
    let head = [b"\0HOP\x01\x03".as_slice(), &[name.len() as u8], name].concat();
    [head, size.to_be_bytes().to_vec(), vec![0; 10]].concat()
}

/// What a receiver of files may meet.
fn receiver_verbs(receiver: &file::Receiver, messages: &[&[u8]]) -> Vec<file::Receiver> {
    let mut next = common(receiver, messages);
    next.push(with(receiver, |receiver| {
        receiver.feed(&[b'x'; 1 << 20]);
    }));
    next.push(with(receiver, file::Receiver::broke));
    next.push(with(receiver, |receiver| receiver.refuse(file::Refusal::Refused)));
    match receiver.poll() {
        Ok(file::Event::Offer(_)) => next.push(with(receiver, |receiver| {
            receiver.accept(Held { octets: 0, sum: Sum([0; 32]) });
        })),
        Ok(file::Event::Start { .. }) => next.push(with(receiver, file::Receiver::begin)),
        Ok(file::Event::Content { .. }) => next.push(with(receiver, |receiver| receiver.advance(2))),
        Ok(file::Event::Verify) => {
            next.extend([7, 8].map(|sum| with(receiver, |receiver| receiver.verify(Sum([sum; 32])))));
        }
        Ok(file::Event::Commit) => next.push(with(receiver, file::Receiver::commit)),
        Ok(file::Event::Finish) => next.push(with(receiver, file::Receiver::finish)),
        Ok(file::Event::Done(_)) | Err(_) => {}
    }
    next
}

#[test]
fn the_file_senders_drawing_is_the_sender() {
    let held = [b"ok\0".as_slice(), &1_u64.to_be_bytes(), &[7; 32]].concat();
    let too_much = [b"ok\0".as_slice(), &9_u64.to_be_bytes()].concat();
    let messages: [&[u8]; 9] = [
        b"ok",
        b"ok\0\0\0\0\0\0\0\0\0",
        &held,
        &too_much,
        b"wt",
        b"no",
        b"\x01\x02hi",
        b"hello",
        &[b'x'; 255],
    ];
    let mut taken = Edges::new();
    let honest: [Step<'_, file::Sender<&'static str>>; 8] = [
        &|sender| assert!(sender.drain(&mut [0; 64]) > 0),
        &|sender| assert!(sender.feed(b"ok\0\0\0\0\0\0\0\0\0") >= 2),
        &|sender| assert!(sender.drain(&mut [0; 64]) < 9),
        &|sender| {
            if sender.poll().is_ok() && sender.state() == file::SenderState::Sending {
                sender.advance(2)
            }
        },
        &|sender| {
            if sender.state() == file::SenderState::Digesting {
                sender.digest(Sum([7; 32]))
            }
        },
        &|sender| assert!(sender.drain(&mut [0; 64]) < 33),
        &file::Sender::finish,
        &|sender| assert!(sender.feed(b"ok") >= 2),
    ];
    let stat = |size| Stat { size, mtime: 0, mode: 0o644 };
    for size in [0, 2] {
        let framed = file::Sender::new("a", stat(size), Algorithms::ALL).expect("a safe name");
        for sender in [framed, file::Sender::classic("a", stat(size)).expect("a safe name")] {
            wander(sender, &honest, &mut taken, |sender| {
                let mut next = common(sender, &messages);
                next.push(with(sender, file::Sender::broke));
                next.push(with(sender, file::Sender::abandon));
                match sender.poll() {
                    Ok(file::SenderEvent::Compare { .. }) => {
                        next.push(with(sender, |sender| sender.compare(Sum([7; 32]))));
                    }
                    Ok(file::SenderEvent::Send { .. }) => {
                        next.push(with(sender, |sender| sender.advance(2)));
                    }
                    Ok(file::SenderEvent::Digest) => {
                        next.push(with(sender, |sender| sender.digest(Sum([7; 32]))));
                    }
                    Ok(file::SenderEvent::Finish) => next.push(with(sender, file::Sender::finish)),
                    Ok(file::SenderEvent::Done(_)) | Err(_) => {}
                }
                next
            });
        }
    }
    assert_eq!(taken, drawn(include_str!("../../core/src/file/sender/mod.rs")));
}

#[test]
fn the_relays_drawing_is_the_relay() {
    let mut taken = Edges::new();
    for seed in 0..20_000 {
        let mut dice = Dice::new(seed);
        let (mut a, mut b) = (End::default(), End::default());
        let mut relay = Relay::new();
        for _ in 0..6 {
            a.live(&mut dice);
            b.live(&mut dice);
            let before = relay.state();
            relay.pump(&mut a, &mut b);
            if before != relay.state() {
                taken.insert((format!("{before:?}"), format!("{:?}", relay.state())));
            }
        }
    }
    let drawn = drawn(include_str!("../../core/src/relay.rs"));
    let missing: Vec<_> = drawn.difference(&taken).collect();
    assert!(missing.is_empty(), "drawn and never taken: {missing:?}");
    // One pump may take two edges: what it does must be a way through the drawing.
    for (from, to) in &taken {
        let direct = drawn.contains(&(from.clone(), to.clone()));
        let by = drawn.iter().any(|(a, b)| a == from && drawn.contains(&(b.clone(), to.clone())));
        assert!(direct || by, "{from} to {to} is not drawn");
    }
}

/// Takes every way of a few verbs from a machine's beginning, each state of its inside once.
fn explore<M: Machine + Copy + Debug>(first: M, taken: &mut Edges, verbs: impl Fn(&M) -> Vec<M>) {
    let (mut seen, mut edge) = (BTreeSet::new(), vec![first]);
    for _ in 0..ROUNDS {
        for machine in core::mem::take(&mut edge) {
            for next in verbs(&machine) {
                if machine.state() != next.state() {
                    taken.insert((format!("{:?}", machine.state()), format!("{:?}", next.state())));
                }
                if seen.insert(format!("{next:?}")) {
                    edge.push(next);
                }
            }
        }
    }
}

/// Goes along an honest conversation for a while and then astray by chance, through a machine that has too many
/// insides to try each.
fn wander<M: Machine + Copy>(
    first: M,
    honest: &[Step<'_, M>],
    taken: &mut Edges,
    verbs: impl Fn(&M) -> Vec<M>,
) {
    let mut note = |before: &M, after: &M| {
        if before.state() != after.state() {
            taken.insert((format!("{:?}", before.state()), format!("{:?}", after.state())));
        }
    };
    for seed in 0..WALK.1 {
        let (mut dice, mut machine) = (Dice::new(seed), first);
        for step in honest.iter().take(seed as usize % (honest.len() + 1)) {
            let next = with(&machine, step);
            note(&machine, &next);
            machine = next;
        }
        for _ in 0..WALK.0 {
            let next = verbs(&machine);
            let next = next[dice.below(next.len() as u64) as usize];
            note(&machine, &next);
            machine = next;
        }
    }
}

/// What any machine may meet: a message, its peer's end, the end of patience, and room to speak.
fn common<M: Machine + Copy>(machine: &M, messages: &[&[u8]]) -> Vec<M> {
    let mut next = vec![
        with(machine, M::end),
        with(machine, M::expire),
        with(machine, |machine| {
            machine.drain(&mut [0; 600]);
        }),
    ];
    next.extend(messages.iter().map(|message| {
        with(machine, |machine| {
            machine.feed(message);
        })
    }));
    next
}

fn with<M: Copy>(machine: &M, verb: impl FnOnce(&mut M)) -> M {
    let mut next = *machine;
    verb(&mut next);
    next
}

/// Reads the edges `A ─► B : cause` out of a module's head.
fn drawn(source: &str) -> Edges {
    let head = source.lines().take_while(|line| line.starts_with("//!"));
    head.filter_map(|line| {
        let (from, rest) = line.strip_prefix("//!")?.split_once("─►")?;
        let (to, _cause) = rest.split_once(':')?;
        Some((from.trim().to_owned(), to.trim().to_owned()))
    })
    .collect()
}

/// A stream that the dice play with.
#[derive(Debug, Default)]
struct End {
    arrived: usize,
    fin: bool,
    broken: bool,
    room: usize,
    unsent: usize,
}

impl End {
    fn live(&mut self, dice: &mut Dice) {
        self.fin |= dice.below(4) == 0;
        self.broken |= dice.below(8) == 0;
        self.arrived += usize::from(!self.fin && dice.below(2) == 0);
        self.room += usize::from(dice.below(2) == 0);
        self.unsent = if dice.below(2) == 0 { 0 } else { self.unsent };
    }
}

impl Stream for End {
    fn read(&mut self, into: &mut [u8]) -> nb::Result<usize, Broken> {
        if self.arrived > 0 && !into.is_empty() {
            self.arrived -= 1;
            return Ok(1);
        }
        match (self.broken, self.fin) {
            (true, _) => Err(nb::Error::Other(Broken::Reset)),
            (false, true) => Ok(0),
            (false, false) => Err(nb::Error::WouldBlock),
        }
    }

    fn write(&mut self, from: &[u8]) -> nb::Result<usize, Broken> {
        match (self.broken, self.room.min(from.len())) {
            (true, _) => Err(nb::Error::Other(Broken::Reset)),
            (false, 0) => Err(nb::Error::WouldBlock),
            (false, count) => {
                self.room -= count;
                self.unsent += count;
                Ok(count)
            }
        }
    }

    fn close(&mut self) {}

    fn abort(&mut self) {}
}

impl Ring for End {
    fn with_received<R>(&mut self, take: impl FnOnce(&[u8]) -> (usize, R)) -> nb::Result<Option<R>, Broken> {
        let mut octet = [0];
        if self.arrived > 0 {
            let (taken, result) = take(&octet);
            self.arrived -= taken;
            return Ok(Some(result));
        }
        self.read(&mut octet).map(|_| None)
    }

    fn with_space<R>(&mut self, fill: impl FnOnce(&mut [u8]) -> (usize, R)) -> nb::Result<R, Broken> {
        if self.broken {
            return Err(nb::Error::Other(Broken::Reset));
        }
        if self.room == 0 {
            return Err(nb::Error::WouldBlock);
        }
        let (filled, result) = fill(&mut [0]);
        self.room -= filled;
        self.unsent += filled;
        Ok(result)
    }

    fn unsent(&self) -> usize {
        self.unsent
    }
}
