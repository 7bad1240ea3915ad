//! What the SOCKS5 client makes of servers that answer look-ups, lie, end or are silent.

use sockhop::machine::Machine;
use sockhop::socks5::{Client, ClientError, ClientEvent, ClientState, Command};
use sockhop::wire::{Host, HostOf, TargetOf};

#[test]
fn a_name_that_was_asked_for_is_taken_from_the_wire_by_the_owner() {
    let mut client = asking(Command::ResolvePtr);
    let reply = b"\x05\x00\x00\x03\x0bexample.org\0\0";
    assert_eq!(client.feed(reply), 5);
    assert_eq!(client.poll(), Ok(ClientEvent::Name { left: 11 }));
    assert_eq!(client.feed(&reply[5..]), 0, "it is the owner's to take");
    client.advance(7);
    assert_eq!(client.poll(), Ok(ClientEvent::Name { left: 4 }));
    client.advance(4);
    assert_eq!(client.poll(), Ok(ClientEvent::Resolved { ip: None }));
}

#[test]
fn an_answer_of_another_kind_is_no_answer() {
    let mut client = asking(Command::Resolve);
    client.feed(b"\x05\x00\x00\x01\xc0\x00\x02\x01\0\0");
    assert_eq!(client.poll(), Ok(ClientEvent::Resolved { ip: Some([192, 0, 2, 1].into()) }));
    for (command, reply) in [
        (Command::Resolve, &b"\x05\x00\x00\x03\x01a\0\0"[..]),
        (Command::ResolvePtr, b"\x05\x00\x00\x01\xc0\x00\x02\x01\0\0"),
        (Command::ResolvePtr, b"\x05\x00\x00\x03\x00\0\0"),
    ] {
        let mut client = asking(command);
        assert_eq!(client.feed(&reply[..5]), 5);
        client.feed(&reply[5..]);
        let error = ClientError::AddressType(reply[3]);
        assert_eq!(client.poll(), Err(nb::Error::Other(error)), "{command:?}");
    }
}

#[test]
fn a_server_that_ends_within_the_name_is_an_error() {
    let mut client = asking(Command::ResolvePtr);
    client.feed(b"\x05\x00\x00\x03\x02ab\0\0");
    client.advance(1);
    client.end();
    assert_eq!(client.poll(), Err(nb::Error::Other(ClientError::Ended(ClientState::Naming))));
}

#[test]
fn a_silent_server_is_an_error_wherever_an_answer_is_awaited() {
    let login: Option<(&[u8], &[u8])> = Some((b"ann", b"secret"));
    for (command, heard, state) in [
        (Command::Connect, &[][..], ClientState::Greeting),
        (Command::Connect, &[&[5, 2][..]], ClientState::Login),
        (Command::Connect, &[&[5, 0]], ClientState::Reply),
        (Command::Bind, &[&[5, 0], b"\x05\0\0\x01\xc0\0\x02\x01\0\x50"], ClientState::Listening),
        (Command::ResolvePtr, &[&[5, 0], b"\x05\0\0\x03\x01a\0\0"], ClientState::Naming),
    ] {
        let target = TargetOf { host: Host::Name(b"a"), port: 80 };
        let mut client = Client::new(command, target, login).expect("it fits");
        for message in heard {
            client.drain(&mut [0; 32]);
            client.feed(message);
        }
        assert!(client.patience().is_some(), "{state:?} has a deadline");
        client.expire();
        assert_eq!(client.poll(), Err(nb::Error::Other(ClientError::Expired(state))));
    }
}

#[test]
fn what_does_not_fit_its_message_is_refused_and_never_cut() {
    let long = [b'a'; 256];
    let new = |host: &'static str, login: Option<(&[u8], &[u8])>| {
        let target = TargetOf { host: Host::Name(host.as_bytes()), port: 80 };
        Client::new(Command::Connect, target, login).map(|_| ())
    };
    assert_eq!(new("", None), Err(ClientError::TooLong));
    assert_eq!(new("a", Some((&long, b"b"))), Err(ClientError::TooLong));
    assert_eq!(new("a", Some((b"a", &long))), Err(ClientError::TooLong));
    assert_eq!(new("a", Some((b"", b"b"))), Err(ClientError::TooLong));
    let target = TargetOf { host: Host::Name(&long), port: 80 };
    assert!(Client::new(Command::Resolve, target, None).is_err());
    assert_eq!(new("a", Some((&long[1..], &long[1..]))), Ok(()));
}

/// Returns a client that has said all it has to say about a name.
fn asking(command: Command) -> Client<&'static [u8]> {
    let target = TargetOf { host: HostOf::Name(&b"a"[..]), port: 0 };
    let mut client = Client::new(command, target, None).expect("it fits");
    client.drain(&mut [0; 9]);
    client.feed(&[5, 0]);
    let mut asked = [0; 9];
    assert_eq!(client.drain(&mut asked), 8);
    assert_eq!(asked[..8], [5, command.code(), 0, 3, 1, b'a', 0, 0]);
    client
}
