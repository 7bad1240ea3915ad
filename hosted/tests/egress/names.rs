//! Names that datagrams go to, and names and addresses that clients ask for.

use super::*;
use std::net::UdpSocket;

#[test]
fn a_datagram_goes_to_the_first_address_that_the_rules_and_the_host_allow() {
    let (mut world, target) = (World::new(), socket());
    world.associate(0);
    let rule = |text: &str, allows| Rule::new(text, allows).expect("a rule");
    world.host.reconfigure(vec![rule("224.0.0.1", false), rule("any", true)]);
    // Nobody may write to the first, and the kernel does not let this socket write to the second.
    let addresses = ["224.0.0.1:9", "255.255.255.255:9"].map(|at| at.parse().expect("an address"));
    let at = target.local_addr().expect("it is bound");
    world.names.tell("example.org", Ok(vec![addresses[0], addresses[1], at]));
    world.send(0, "example.org", at.port(), b"1", NOW);
    world.hear_resolver(NOW);
    assert_eq!(heard(&target), b"1");
}

#[test]
fn datagrams_to_a_name_leave_in_their_order_and_cost_one_question() {
    let (mut world, target) = (World::new(), socket());
    world.associate(0);
    let at = target.local_addr().expect("it is bound");
    for payload in [b"1", b"2", b"3"] {
        world.send(0, "example.org", at.port(), payload, NOW);
    }
    world.names.tell("example.org", Ok(vec![at]));
    world.hear_resolver(NOW);
    world.send(0, "example.org", at.port(), b"4", NOW);
    for payload in [b"1", b"2", b"3", b"4"] {
        assert_eq!(heard(&target), payload);
    }
    assert_eq!(world.names.asked("example.org"), 1);
}

#[test]
fn a_datagram_whose_name_takes_too_long_is_dropped_without_another_being_sent() {
    let mut world = World::new();
    world.associate(0);
    world.send(0, "slow.example", 9, b"late", NOW);
    let late = NOW + Duration::from_secs(10);
    assert_eq!(world.host.poll_at(), Some(late));
    assert!(world.host.next(late).is_none());
    assert_eq!(world.host.poll_at(), None, "nothing waits any more");
}

#[test]
fn a_client_is_told_the_first_address_that_the_rules_let_be_told() {
    let mut world = World::new();
    let at = |text: &str| text.parse().expect("an address");
    world.names.tell("example.org", Ok(vec![at("169.254.169.254:0"), at("192.0.2.7:0")]));
    world.resolve(0, "example.org");
    assert_eq!(world.found(NOW, 0), Ok("192.0.2.7".to_owned()));
    world.names.tell("metadata.test", Ok(vec!["169.254.169.254:0".parse().expect("an address")]));
    world.resolve(0, "metadata.test");
    assert_eq!(world.found(NOW, 0).expect_err("it is link-local").refusal, Refusal::NotAllowed);
    world.names.tell("nobody.test", Err("nobody.test: no such name".to_owned()));
    world.resolve(0, "nobody.test");
    assert_eq!(world.found(NOW, 0).expect_err("there is none").refusal, Refusal::HostUnreachable);
    world.resolve(0, "192.0.2.9");
    assert_eq!(world.found(NOW, 0), Ok("192.0.2.9".to_owned()), "nobody is asked");
    assert_eq!(world.names.asked("192.0.2.9"), 0);
}

#[test]
fn a_client_is_told_the_name_of_an_address_that_it_may_reach() {
    let mut world = World::new();
    world.names.tell("192.0.2.7", Ok(vec!["192.0.2.7:7".parse().expect("an address")]));
    world.host.reverse(0, "", target("192.0.2.7"), NOW);
    assert_eq!(world.found(NOW, 0), Ok("port7.test".to_owned()));
    for (asked, refusal) in
        [("169.254.169.254", Refusal::NotAllowed), ("example.org", Refusal::AddressTypeNotSupported)]
    {
        world.host.reverse(0, "", target(asked), NOW);
        assert_eq!(world.found(NOW, 0).expect_err(asked).refusal, refusal);
    }
}

#[test]
fn a_look_up_is_given_up_after_10_s_and_a_late_answer_is_nobodys() {
    let mut world = World::new();
    world.resolve(0, "slow.example");
    world.names.wait_for("slow.example");
    let late = NOW + Duration::from_secs(10);
    assert_eq!(world.host.poll_at(), Some(late));
    assert!(world.found(late, 0).expect_err("nobody answers").text.contains("10 s"));
    world.names.tell("other.example", Ok(vec!["192.0.2.2:0".parse().expect("an address")]));
    world.host.resolve(0, "", target("other.example"), late);
    world.names.tell("slow.example", Ok(vec!["192.0.2.1:0".parse().expect("an address")]));
    assert_eq!(world.found(late, 0), Ok("192.0.2.2".to_owned()));
}

impl World {
    fn associate(&mut self, key: usize) {
        self.host.associate(key, "", NOW);
        assert!(matches!(self.host.next(NOW), Some(Event::Associated { outcome: Ok(()), .. })));
    }

    fn send(&mut self, key: usize, name: &str, port: u16, payload: &[u8], now: Instant) {
        self.host.send(key, Target { port, ..target(name) }, payload, now);
    }

    fn resolve(&mut self, key: usize, name: &str) {
        self.host.resolve(key, "", target(name), NOW);
    }

    /// Waits for the end of the only look-up, which has this key.
    fn found(&mut self, now: Instant, wanted: usize) -> Result<String, Failure> {
        loop {
            if let Event::Resolved { key, outcome } = self.event(now) {
                assert_eq!(key, wanted);
                return outcome.map(|found| found.to_string());
            }
        }
    }
}

/// Returns a target without a port.
fn target(name: &str) -> Target<'_> {
    Target { host: Name::Name(name.as_bytes()), port: 0 }
}

/// Returns a socket for datagrams that gives up waiting after ten seconds.
fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a port");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("it is not zero");
    socket
}

/// Returns the next datagram.
fn heard(socket: &UdpSocket) -> Vec<u8> {
    let mut room = [0; 64];
    let count = socket.recv(&mut room).expect("something comes");
    room[..count].to_vec()
}
